package front

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/jsonrpc"
	"github.com/fairlead/fairlead/internal/mcp"
)

// A server of the older era asks its client by requests of its own in the midst of a call. A client of the stateless era cannot
// be asked like that: it is answered with what the server wants to know (input_required), and comes again with the answers.
// Meanwhile the call is parked: it goes on in this process, which no other one can do.

// lot are the parked calls of a process.
type lot struct {
	total int           // how many calls may be parked
	each  int           // and of one principal
	life  time.Duration // how long a call waits for its client

	mu sync.Mutex
	by map[string]*parked
	of map[string]int // by principal
}

// add parks a call under a name.
func (l *lot) add(k *parked) (name string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.by) >= l.total || l.of[k.principal] >= l.each {
		return "", false
	}
	name = rand.Text()
	l.by[name] = k
	l.of[k.principal]++
	k.expiry = time.AfterFunc(l.life, func() {
		if l.take(name) != nil {
			k.cancel()
		}
	})
	return name, true
}

// find returns a parked call, nil if there is none of that name.
func (l *lot) find(name string) *parked {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.by[name]
}

// take takes a call out of the lot. Of those who try, one gets it.
func (l *lot) take(name string) *parked {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.by[name]
	if k == nil {
		return nil
	}
	delete(l.by, name)
	if l.of[k.principal]--; l.of[k.principal] == 0 {
		delete(l.of, k.principal)
	}
	k.expiry.Stop()
	return k
}

// Parked is how many calls wait for their clients.
func (d *Door) Parked() int {
	d.lot.mu.Lock()
	defer d.lot.mu.Unlock()
	return len(d.lot.by)
}

// question is what a server wants to know.
type question struct {
	key, method string
	params      []byte
	answer      chan []byte // holds one
}

// outcome is what came of a call.
type outcome struct {
	raw []byte
	err error
}

// parked is a call that may be parked, from its beginning on.
type parked struct {
	principal string
	caps      []byte          // what its client declares
	life      context.Context //nolint:containedctx // of the call, which no request bounds
	cancel    context.CancelFunc
	expiry    *time.Timer   // while it is parked
	wake      chan struct{} // holds one: there is news

	mu    sync.Mutex
	sink  func(method string, params []byte) // tells the client's open request; nil: there is none
	asked int
	open  []*question // not answered yet
	lacks []byte      // a capability that the client was needed to declare
	ended *outcome
}

func (k *parked) news() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// ask has the client asked, and waits for its answer; see [mcp.Request].
func (k *parked) ask(method string, params []byte) ([]byte, *mcp.RPCError) {
	if e := refuseURL(params); e != nil {
		return nil, e
	}
	k.mu.Lock()
	need, known := lacking(k.caps, method, params)
	k.asked++
	switch {
	case !known:
		k.mu.Unlock()
		return nil, noMethod(method)
	case need != "":
		k.lacks = []byte(need)
		k.mu.Unlock()
		return nil, noMethod(method)
	case k.asked > maxAsks:
		k.mu.Unlock()
		return nil, tooCurious()
	}
	q := &question{key: fmt.Sprintf("input-%d", k.asked), method: method, params: bytes.Clone(params), answer: make(chan []byte, 1)}
	k.open = append(k.open, q)
	k.mu.Unlock()
	k.news()
	select {
	case a := <-q.answer:
		return a, nil
	case <-k.life.Done():
		return nil, &mcp.RPCError{Code: jsonrpc.CodeInternal, Message: "the client did not answer " + method}
	}
}

// notify passes a notification on to the client's open request. What comes while there is none is dropped.
func (k *parked) notify(method string, params []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sink != nil {
		k.sink(method, params)
	}
}

// attach makes an open request the one that is told.
func (k *parked) attach(sink func(method string, params []byte)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sink = sink
}

// finish takes in what came of the call.
func (k *parked) finish(o outcome) {
	k.mu.Lock()
	k.ended, k.sink = &o, nil
	k.mu.Unlock()
	k.news()
}

// look returns the end of the call, or the questions that are open.
func (k *parked) look() (end *outcome, open []*question, lacks []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ended, k.open, k.lacks
}

// answer takes in a client's answers. One to what was not asked is nobody's.
func (k *parked) answer(responses []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var left []*question
	for _, q := range k.open {
		if v := jsonedit.Get(responses, q.key); v != nil {
			q.answer <- bytes.Clone(v)
			continue
		}
		left = append(left, q)
	}
	if k.open = left; left != nil || k.ended != nil {
		k.news() // the client has something to hear at once
	}
}

// appendQuestions writes what a server wants to know as the stateless era has it.
func appendQuestions(dst []byte, open []*question) []byte {
	dst = append(dst, '{')
	for i, q := range open {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonedit.AppendQuote(append(jsonedit.AppendQuote(dst, q.key), `:{"method":`...), q.method)
		dst = append(dst, `,"params":`...)
		if len(q.params) == 0 {
			dst = append(dst, "{}}"...) // there are clients that read no request without
			continue
		}
		dst = append(append(dst, asNewer(q.params)...), '}')
	}
	return append(dst, '}')
}

// asNewer takes out of an elicitation what the stateless era does not have.
func asNewer(params []byte) []byte {
	o, err := jsonedit.Scan(params, elicitKeys)
	if err != nil || !o.Value("elicitationId").Found() {
		return params
	}
	return jsonedit.Apply(nil, params, o.Delete(nil, params, "elicitationId"))
}
