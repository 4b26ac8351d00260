package secret_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/fairlead/fairlead/internal/secret"
)

func TestNothingPrintsASecret(t *testing.T) {
	const text = "sk-canary"
	s := secret.New(text)
	holder := struct {
		Key  secret.String
		Many []secret.String
		Map  map[string]secret.String

		hidden secret.String
	}{s, []secret.String{s}, map[string]secret.String{"a": s}, s}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "holder", holder)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "holder", holder)
	enc, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(enc)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		all += fmt.Sprintf(verb, s) + fmt.Sprintf(verb, holder) + fmt.Sprintf(verb, &holder)
	}
	if strings.Contains(all, text) || strings.Contains(all, fmt.Sprintf("%x", text)) {
		t.Errorf("a secret was printed:\n%s", all)
	}
	if s.Reveal() != text || s.Empty() || !(secret.String{}).Empty() {
		t.Error("the secret itself is lost")
	}
}
