// Package all lists the wires.
package all

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/fairlead/fairlead/internal/wire"
	"github.com/fairlead/fairlead/internal/wire/chat"
	"github.com/fairlead/fairlead/internal/wire/cohere"
	"github.com/fairlead/fairlead/internal/wire/converse"
	"github.com/fairlead/fairlead/internal/wire/gemini"
	"github.com/fairlead/fairlead/internal/wire/messages"
	"github.com/fairlead/fairlead/internal/wire/responses"
)

// Doors returns the wires that clients may speak. A stream that is silent for keepAlive gets a comment. What goes wrong beside a
// reply is told in log.
func Doors(keepAlive time.Duration, log *slog.Logger) []wire.Door {
	return []wire.Door{
		chat.Door{KeepAlive: keepAlive},
		responses.Door{KeepAlive: keepAlive, Log: log},
		messages.Door{KeepAlive: keepAlive},
	}
}

// Upstream returns the codec of the named wire for a provider with these quirks.
func Upstream(name string, q wire.Quirks) (wire.Upstream, error) {
	switch name {
	case chat.Name:
		return chat.NewUpstream(q)
	case responses.Name:
		return responses.NewUpstream(q)
	case messages.Name:
		return messages.NewUpstream(q)
	case converse.Name:
		return converse.NewUpstream(q)
	case gemini.Name:
		return gemini.NewUpstream(q)
	case cohere.Name:
		return cohere.NewUpstream(q)
	}
	return nil, fmt.Errorf("wire: there is no wire %q towards providers", name)
}
