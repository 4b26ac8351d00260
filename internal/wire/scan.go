package wire

import (
	"errors"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
)

// ScanFault is the fault of a body that jsonedit.Scan refused; op says where, for the log.
func ScanFault(op string, err error) *fault.Error {
	if a, ok := errors.AsType[*jsonedit.AmbiguousError](err); ok {
		return &fault.Error{Kind: fault.Invalid, Op: op, Code: "ambiguous_json", Param: a.Key, Message: "the body can be read in two ways: " + a.Error()}
	}
	return &fault.Error{Kind: fault.Invalid, Op: op, Code: "invalid_json", Message: "the body is not one JSON object: " + err.Error()}
}
