package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/fairlead/fairlead/internal/fault"
)

func TestStatus(t *testing.T) {
	refused := &fault.Error{Kind: fault.Refused, Status: 429}
	for _, tt := range []struct {
		err  error
		want int
	}{
		{fault.Invalidf("model", "no"), 400},
		{refused, 429},
		{&fault.Error{Kind: fault.Refused}, 500},
		{fault.AfterTools(refused), 424},
		{fmt.Errorf("wrapped: %w", refused), 429},
		{errors.New("dial tcp 10.0.0.1:80: refused"), 500},
		{&fault.Error{Kind: fault.Timeout}, 504},
		{&fault.Error{Kind: fault.Upstream}, 502},
	} {
		if got := fault.From(tt.err).HTTPStatus(); got != tt.want {
			t.Errorf("%v: status %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestStrangersErrorsShowNothing(t *testing.T) {
	e := fault.From(errors.New("dial tcp 10.0.0.1:80: refused"))
	if e.Message == "" || e.Code != "internal_error" || errors.Unwrap(e) == nil {
		t.Errorf("got %+v", e)
	}
	if got := fault.From(fault.AfterTools(&fault.Error{Message: "m", Code: "c"})); got.Message != "m" || got.Code != "c" || !got.Final {
		t.Errorf("AfterTools changed the error: %+v", got)
	}
}
