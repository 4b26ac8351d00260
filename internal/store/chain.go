package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

var errLong = &fault.Error{
	Kind: fault.TooLarge, Op: "store.Chain", Code: "request_too_large",
	Message: fmt.Sprintf("the conversation that this goes on from is longer than %d replies or %d MiB; send what matters of it in the request", MaxChain, MaxChainBytes>>20),
}

// gone is the status that a chain shows for a reply whose owner has not renewed its lease.
const gone = "failed"

// Chain returns the reply and those that it goes on from, oldest first.
func (s *SQL) Chain(ctx context.Context, principal, id string) (chain []llm.Reply, found bool, err error) {
	found, err = s.read(ctx, "Chain", func(ctx context.Context, db *sql.DB) error {
		chain = nil
		rows, err := db.QueryContext(ctx, `
			WITH RECURSIVE chain (depth, bytes, id, previous) AS (
				SELECT 1, CAST(length(input) + length(items) AS BIGINT), id, previous
				FROM fairlead_replies WHERE principal = $1 AND id = $2 AND expires > $3
				UNION ALL
				SELECT c.depth + 1, c.bytes + length(r.input) + length(r.items), r.id, r.previous
				FROM chain c JOIN fairlead_replies r ON r.principal = $1 AND r.id = c.previous AND r.expires > $3
				WHERE c.previous <> '' AND c.depth < $4 AND c.bytes <= $5
			)
			SELECT c.depth, c.bytes, r.alive_until, r.id, r.previous, r.model, r.status, r.input, r.items
			FROM chain c JOIN fairlead_replies r ON r.principal = $1 AND r.id = c.id ORDER BY c.depth DESC`,
			key(principal), key(id), s.now(), MaxChain, MaxChainBytes)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var r llm.Reply
			var depth, size, alive int64
			if err := rows.Scan(&depth, &size, &alive, &r.ID, &r.Previous, &r.Model, &r.Status, blob{&r.Input}, blob{&r.Items}); err != nil {
				return err
			}
			switch first := len(chain) == 0 && r.Previous != ""; {
			case first && (depth >= MaxChain || size > MaxChainBytes):
				return errLong
			case first:
				return sql.ErrNoRows // one that it goes on from is gone
			}
			if isRunning(r.Status) && alive <= s.now() {
				r.Status = gone // nobody makes it any more
			}
			chain = append(chain, r)
		}
		if err := rows.Err(); err != nil || len(chain) > 0 {
			return err
		}
		return sql.ErrNoRows
	})
	if !found {
		chain = nil
	}
	return chain, found, err
}

// Item finds one item of a reply's Input or Items.
func (s *SQL) Item(ctx context.Context, principal, id string) (item []byte, found bool, err error) {
	found, err = s.read(ctx, "Item", func(ctx context.Context, db *sql.DB) error {
		var items, input []byte
		err := db.QueryRowContext(ctx, `
			SELECT r.items, r.input FROM fairlead_items i JOIN fairlead_replies r ON r.principal = i.principal AND r.id = i.reply
			WHERE i.principal = $1 AND i.id = $2 AND r.expires > $3 ORDER BY r.saved DESC, r.id LIMIT 1`,
			key(principal), key(id), s.now()).Scan(&items, &input)
		if err != nil {
			return err
		}
		for _, list := range [][]byte{items, input} {
			for e := range jsonedit.Elements(list) {
				if got, ok := jsonedit.Unquote(jsonedit.Get(e, "id")); ok && got == id {
					item = e
					return nil
				}
			}
		}
		return sql.ErrNoRows
	})
	return item, found, err
}

// itemIDs are the ids in a reply's Items and Input, each once.
func itemIDs(r *llm.Reply) ([]string, error) {
	var ids []string
	seen := map[string]bool{}
	for _, list := range [][]byte{r.Items, r.Input} {
		for e := range jsonedit.Elements(list) {
			id, ok := jsonedit.Unquote(jsonedit.Get(e, "id"))
			if k := key(id); ok && id != "" && !seen[k] {
				seen[k] = true
				ids = append(ids, k)
			}
		}
	}
	if len(ids) > MaxItems {
		return nil, &fault.Error{
			Kind: fault.TooLarge, Op: "store.Save", Code: "request_too_large", Param: "input",
			Message: fmt.Sprintf("a reply with more than %d items that have an id cannot be kept", MaxItems),
		}
	}
	return ids, nil
}

// index makes ids the items of a reply.
func index(ctx context.Context, tx *sql.Tx, principal, reply string, ids []string) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM fairlead_items WHERE principal = $1 AND reply = $2`, principal, reply); err != nil {
		return err
	}
	return insert(ctx, tx, `INSERT INTO fairlead_items (principal, reply, id)`, []any{principal, reply}, len(ids),
		func(args []any, i int) []any { return append(args, ids[i]) })
}

// batch is how many rows one INSERT has.
const batch = 256

// insert adds n rows that all begin with the values of common; rest appends the others of row i to args. Rows that are there
// already stay as they are.
func insert(ctx context.Context, tx *sql.Tx, into string, common []any, n int, rest func(args []any, i int) []any) error {
	for from := 0; from < n; from += batch {
		var text strings.Builder
		text.WriteString(into + " VALUES ")
		args := append([]any{}, common...)
		for i := from; i < min(from+batch, n); i++ {
			if i > from {
				text.WriteByte(',')
			}
			first := len(args)
			args = rest(args, i)
			row(&text, len(common), first, len(args))
		}
		text.WriteString(" ON CONFLICT DO NOTHING")
		if _, err := tx.ExecContext(ctx, text.String(), args...); err != nil {
			return err
		}
	}
	return nil
}

// row writes ($1,$2,…): the common parameters, and those from first to last.
func row(text *strings.Builder, common, first, last int) {
	text.WriteByte('(')
	for i := range common {
		fmt.Fprintf(text, "$%d,", i+1)
	}
	for i := first; i < last; i++ {
		if i > first {
			text.WriteByte(',')
		}
		fmt.Fprintf(text, "$%d", i+1)
	}
	text.WriteByte(')')
}
