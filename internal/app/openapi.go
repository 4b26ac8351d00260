package app

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/mcp"
	mcpall "github.com/fairlead/fairlead/internal/mcp/all"
)

// describe makes the server an HTTP API, if the config says that a document describes it.
func describe(to *mcp.Server, s *config.Server) {
	if s.Document != "" {
		to.Document, to.URL, to.Transport, to.Stamp = s.Document, s.BaseURL, mcpall.OpenAPI, stamp(s.Document)
	}
}

// stamp tells the contents of a file apart, so that a document that has changed is read anew with the config. A URL has none.
func stamp(document string) string {
	f, err := os.Open(document) //nolint:gosec // the path is the operator's own
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(f, maxDocument)); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// maxDocument is how much of a file counts; larger ones are not read at all.
const maxDocument = 64 << 20
