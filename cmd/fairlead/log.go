package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/fairlead/fairlead/internal/obs"
)

// logBytes is how much of the log may wait for a slow reader before records are dropped.
const logBytes = 1 << 20

// logger writes text for a person at a terminal, and JSON for everything else. flush writes what is left; later records
// are written at once.
func logger(to io.Writer, level slog.Level) (l *slog.Logger, access obs.Access, flush func()) {
	o := &slog.HandlerOptions{Level: level}
	if isTerminal(to) {
		return slog.New(slog.NewTextHandler(to, o)), nil, func() {}
	}
	w := obs.NewAsync(escaped{to}, logBytes)
	return slog.New(slog.NewJSONHandler(w, o)), obs.JSONAccess{To: w}, func() { _ = w.Close() }
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
