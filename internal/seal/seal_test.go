package seal_test

import (
	"bytes"
	"encoding/base64"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/seal"
)

var (
	scope = seal.Scope{Kind: "session", Route: "/mcp", Principal: "dev"}
	older = []byte("an older secret of the gateway")
	newer = []byte("a newer secret of the gateway!")
)

func ring(tb testing.TB, secrets ...[]byte) *seal.Ring {
	tb.Helper()
	r, err := seal.New(secrets...)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestHandles(t *testing.T) {
	r := ring(t, older)
	h := r.Seal(scope, []byte("content"), time.Hour)
	if got, ok := r.Open(scope, h); !ok || string(got) != "content" {
		t.Errorf("got %q, %v", got, ok)
	}
	if got, ok := ring(t, older).Open(scope, h); !ok || string(got) != "content" {
		t.Errorf("another replica: got %q, %v", got, ok)
	}
	if h == r.Seal(scope, []byte("content"), time.Hour) {
		t.Error("two handles are the same")
	}
	for name, s := range map[string]seal.Scope{
		"kind":      {Kind: "cursor", Route: "/mcp", Principal: "dev"},
		"route":     {Kind: "session", Route: "/mcp/files", Principal: "dev"},
		"principal": {Kind: "session", Route: "/mcp", Principal: "other"},
		"shifted":   {Kind: "session", Route: "/mcpd", Principal: "ev"},
	} {
		if _, ok := r.Open(s, h); ok {
			t.Errorf("it opens under another %s", name)
		}
	}
}

// TestAttack06ForgedHandle: a handle with any bit flipped, cut, lengthened, or made by the client itself is not known.
func TestAttack06ForgedHandle(t *testing.T) {
	r := ring(t, older)
	h := r.Seal(scope, []byte("content"), time.Hour)
	raw, err := base64.RawURLEncoding.DecodeString(h)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(raw) * 8 {
		forged := bytes.Clone(raw)
		forged[i/8] ^= 1 << (i % 8)
		if _, ok := r.Open(scope, base64.RawURLEncoding.EncodeToString(forged)); ok {
			t.Fatalf("it opens with bit %d flipped", i)
		}
	}
	for i := range len(h) * 7 {
		forged := []byte(h)
		forged[i/7] ^= 1 << (i % 7)
		if _, ok := r.Open(scope, string(forged)); ok {
			t.Fatalf("it opens with bit %d of its text flipped", i)
		}
	}
	for _, forged := range []string{
		"", h[:len(h)-1], h + "A", h + "=", " " + h, h + "\n", h[:5] + "\r" + h[5:], base64.RawURLEncoding.EncodeToString([]byte(`{"t":"mcp","s":[{"t":"a","b":"10.0.0.1:80"}]}`)),
	} {
		if _, ok := r.Open(scope, forged); ok {
			t.Errorf("%q opens", forged)
		}
	}
}

func TestRotation(t *testing.T) {
	old := ring(t, older)
	both := ring(t, newer, older)
	before := old.Seal(scope, []byte("a"), time.Hour)
	after := both.Seal(scope, []byte("b"), time.Hour)
	if _, ok := both.Open(scope, before); !ok {
		t.Error("a handle of the older secret does not open while that is in the ring")
	}
	if _, ok := ring(t, newer).Open(scope, before); ok {
		t.Error("a handle of the older secret opens without it")
	}
	if _, ok := old.Open(scope, after); ok {
		t.Error("the newer secret does not seal")
	}
	if _, ok := ring(t).Open(scope, ring(t).Seal(scope, nil, time.Hour)); ok {
		t.Error("two random rings are the same")
	}
	if _, err := seal.New([]byte("short")); err == nil {
		t.Error("a short secret is taken")
	}
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := ring(t, older)
		h := r.Seal(scope, nil, time.Minute)
		time.Sleep(58 * time.Second)
		if _, ok := r.Open(scope, h); !ok {
			t.Error("it expires too early")
		}
		time.Sleep(3 * time.Second)
		if _, ok := r.Open(scope, h); ok {
			t.Error("it does not expire")
		}
	})
}

// FuzzOpen: what opens holds what was sealed, and has one text.
func FuzzOpen(f *testing.F) {
	r := ring(f, older)
	for _, content := range []string{"", "content"} {
		f.Add(r.Seal(scope, []byte(content), time.Hour))
	}
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, handle string) {
		content, ok := r.Open(scope, handle)
		if !ok {
			return
		}
		raw, err := base64.RawURLEncoding.DecodeString(handle)
		if err != nil || base64.RawURLEncoding.EncodeToString(raw) != handle || len(content) > 0 && string(content) != "content" {
			t.Errorf("%q opens: %q", handle, content)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	r := ring(b, older)
	h := r.Seal(scope, make([]byte, 64), time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := r.Open(scope, h); !ok {
			b.Fatal("it does not open")
		}
	}
}
