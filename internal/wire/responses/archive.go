package responses

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// The statuses of a reply.
const (
	statusQueued     = "queued"
	statusInProgress = "in_progress"
	statusCompleted  = "completed"
	statusIncomplete = "incomplete"
	statusFailed     = "failed"
	statusCancelled  = "cancelled"
)

// Collection is the path below which replies are found.
func (Door) Collection() string { return "/v1/responses" }

// Finished reports whether nothing more comes of a reply with this status.
func (Door) Finished(status string) bool {
	return status != statusQueued && status != statusInProgress
}

// AppendDeleted appends `{"id","object":"response","deleted":true}`.
func (Door) AppendDeleted(dst []byte, id string) []byte {
	dst = jsonedit.AppendQuote(append(dst, `{"id":`...), id)
	return append(dst, `,"object":"response","deleted":true}`...)
}

// AppendFailed appends the reply's body with the status failed and e as its error.
func (Door) AppendFailed(dst []byte, r llm.Reply, e *fault.Error) []byte {
	body := []byte(`{"id":` + string(jsonedit.AppendQuote(nil, r.ID)) + `,"object":"response"}`)
	if jsonedit.Kind(r.Body) == '{' {
		body = r.Body
	}
	obj, err := jsonedit.Scan(body, failedKeys)
	if err != nil { // a body of ours can be scanned
		return append(dst, body...)
	}
	edits := obj.Set(nil, body, "status", []byte(`"`+statusFailed+`"`))
	told := jsonedit.AppendQuote([]byte(`{"code":"server_error","message":`), e.Message)
	edits = obj.Set(edits, body, "error", append(told, '}'))
	return jsonedit.Apply(dst, body, edits)
}

// AppendFailedEvent appends response.failed with that body.
func (d Door) AppendFailedEvent(dst []byte, r llm.Reply, number int64, e *fault.Error) []byte {
	dst = append(dst, "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":"...)
	dst = append(strconv.AppendInt(dst, number, 10), `,"response":`...)
	return append(d.AppendFailed(dst, r, e), "}\n\n"...)
}

var failedKeys = jsonedit.NewKeys("status", "error")

// The pages of input items, as OpenAI has them.
const (
	defaultPage = 20
	maxPage     = 100
)

// AppendInput appends a page of the reply's input items: `{"object":"list","data","first_id","last_id","has_more"}`. The
// newest item comes first unless q says order=asc.
func (Door) AppendInput(dst []byte, r llm.Reply, q url.Values) ([]byte, error) {
	limit := defaultPage
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxPage {
			return dst, fault.Invalidf("limit", "limit must be a whole number from 1 to %d", maxPage)
		}
		limit = n
	}
	var items [][]byte
	for it := range jsonedit.Elements(r.Input) {
		items = append(items, it)
	}
	switch order := q.Get("order"); order {
	case "", "desc":
		slices.Reverse(items)
	case "asc":
	default:
		return dst, fault.Invalidf("order", "order must be asc or desc, not %q", order)
	}
	if after := q.Get("after"); after != "" {
		at := slices.IndexFunc(items, func(it []byte) bool { return itemID(it) == after })
		if at < 0 {
			return dst, fault.Invalidf("after", "the response has no input item %q", after)
		}
		items = items[at+1:]
	}
	more := len(items) > limit
	items = items[:min(limit, len(items))]
	dst = append(dst, `{"object":"list","data":[`...)
	for i, it := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, it...)
	}
	dst = append(dst, `],"first_id":`...)
	dst = appendEndID(dst, items, 0)
	dst = append(dst, `,"last_id":`...)
	dst = appendEndID(dst, items, len(items)-1)
	dst = append(dst, `,"has_more":`...)
	return append(strconv.AppendBool(dst, more), '}'), nil
}

func appendEndID(dst []byte, items [][]byte, i int) []byte {
	if len(items) == 0 || itemID(items[i]) == "" {
		return append(dst, "null"...)
	}
	return jsonedit.AppendQuote(dst, itemID(items[i]))
}
