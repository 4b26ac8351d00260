package config

import (
	"bytes"
	"os"
	"testing"
)

func TestSchemaIsFresh(t *testing.T) {
	const path = "../../docs/config.schema.json"
	if *update {
		if err := os.WriteFile(path, Schema(), 0o644); err != nil { //nolint:gosec // a published file
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, Schema()) {
		t.Errorf("%s is not what the table of keys says; run go test ./internal/config -update", path)
	}
}
