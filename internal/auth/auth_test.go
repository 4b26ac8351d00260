package auth

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/fault"
)

func ring(t *testing.T, keys ...config.Key) *Keyring {
	t.Helper()
	r, err := New(&config.Config{Keys: keys}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func key(name, text string) config.Key { return config.Key{Name: name, Hash: config.HashKey(text)} }

func headers(lines ...string) http.Header {
	h := http.Header{}
	for _, l := range lines {
		k, v, _ := strings.Cut(l, ": ")
		h.Add(k, v)
	}
	return h
}

func TestIdentify(t *testing.T) {
	long := "sk-" + strings.Repeat("x", 500)
	r := ring(t, key("dev", "sk-dev"), key("ops", "sk-ops"), key("long", long))
	for name, tt := range map[string]struct {
		headers  []string
		who      string // empty: refused
		by       string // header that carried the key
		forwards bool   // Authorization may go to an MCP server
		says     string // what a refusal says
	}{
		"bearer":                {[]string{"Authorization: Bearer sk-dev"}, "dev", "Authorization", false, ""},
		"scheme in any case":    {[]string{"Authorization: bEARER  sk-dev "}, "dev", "Authorization", false, ""},
		"bare":                  {[]string{"Authorization: sk-dev"}, "dev", "Authorization", false, ""},
		"long key":              {[]string{"Authorization: Bearer " + long}, "long", "Authorization", false, ""},
		"litellm bare":          {[]string{"x-litellm-api-key: sk-ops"}, "ops", "X-Litellm-Api-Key", true, ""},
		"litellm bearer":        {[]string{"x-litellm-api-key: Bearer sk-ops"}, "ops", "X-Litellm-Api-Key", true, ""},
		"litellm wins":          {[]string{"x-litellm-api-key: sk-ops", "Authorization: Bearer mine"}, "ops", "X-Litellm-Api-Key", true, ""},
		"same key twice":        {[]string{"x-litellm-api-key: sk-ops", "Authorization: Bearer sk-ops"}, "ops", "X-Litellm-Api-Key", false, ""},
		"x-api-key":             {[]string{"x-api-key: sk-dev"}, "dev", "X-Api-Key", false, ""},
		"api-key":               {[]string{"api-key: sk-dev"}, "dev", "Api-Key", false, ""},
		"other scheme":          {[]string{"Authorization: Basic dTpw", "x-api-key: sk-dev"}, "dev", "X-Api-Key", false, ""},
		"nothing":               {nil, "", "", false, "Authorization: Bearer KEY"},
		"empty":                 {[]string{"Authorization: Bearer "}, "", "", false, "Authorization: Bearer KEY"},
		"wrong":                 {[]string{"Authorization: Bearer sk-secret"}, "", "Authorization", false, "header authorization is not one"},
		"prefix of a key":       {[]string{"Authorization: Bearer sk-de"}, "", "Authorization", false, "not one"},
		"wrong one wins":        {[]string{"x-litellm-api-key: sk-secret", "Authorization: Bearer sk-dev"}, "", "X-Litellm-Api-Key", true, "header x-litellm-api-key"},
		"two values":            {[]string{"Authorization: Bearer sk-dev", "Authorization: Bearer sk-ops"}, "", "", false, "twice"},
		"same value two times":  {[]string{"Authorization: Bearer sk-dev", "Authorization: Bearer sk-dev"}, "dev", "Authorization", false, ""},
		"the hash is no key":    {[]string{"Authorization: Bearer sha256:00"}, "", "Authorization", false, "not one"},
		"no word for a scheme":  {[]string{"Authorization: Bearersk-dev"}, "", "Authorization", false, "not one"},
		"key with a tab before": {[]string{"Authorization: Bearer\tsk-dev"}, "dev", "Authorization", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := headers(tt.headers...)
			id, c, err := r.Identify(t.Context(), h, "")
			if c.Header != tt.by {
				t.Errorf("key in %q, want %q", c.Header, tt.by)
			}
			if got := c.Forwards("authorization", h.Get("Authorization")); got != tt.forwards {
				t.Errorf("Authorization is forwarded: %v", got)
			}
			if tt.who == "" {
				f := fault.From(err)
				if id != nil || f.Kind != fault.Unauthenticated || f.Code != "invalid_api_key" || !strings.Contains(f.Message, tt.says) {
					t.Errorf("got %v, %v", id, err)
				}
				if strings.Contains(f.Error(), "sk-") {
					t.Errorf("shows the key: %v", f)
				}
				return
			}
			if err != nil || id.Name != tt.who {
				t.Errorf("got %v, %v", id, err)
			}
		})
	}
}

func TestNoKeysLetEveryoneIn(t *testing.T) {
	r := ring(t)
	for _, h := range []http.Header{
		nil, headers("Authorization: Bearer sk-anything"), headers("x-api-key: a", "api-key: b"),
		headers("Authorization: Bearer a", "Authorization: Bearer b"),
	} {
		id, c, err := r.Identify(t.Context(), h, "")
		if err != nil || id != Anyone() || !id.AllowsModel("m") || !id.AllowsServer("s") || id.Attach != nil {
			t.Errorf("%v: got %v, %v", h, id, err)
		}
		if c.Forwards("Authorization", h.Get("Authorization")) {
			t.Errorf("%v: Authorization is forwarded", h)
		}
	}
	_, c, _ := r.Identify(t.Context(), headers("x-litellm-api-key: sk-anything", "Authorization: Bearer mine"), "")
	if !c.Forwards("Authorization", "Bearer mine") {
		t.Error("the caller's own Authorization is held back")
	}
}

func TestForwards(t *testing.T) {
	_, c, err := ring(t, key("dev", "sk-dev")).Identify(t.Context(), headers("x-litellm-api-key: sk-dev"), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		name, value string
		want        bool
	}{
		"plain":            {"x-request-tag", "a", true},
		"own":              {"AUTHORIZATION", "Bearer mine", true},
		"the key itself":   {"Authorization", "sk-dev", false},
		"the key as a tag": {"x-request-tag", "Bearer sk-dev", false},
		"key header":       {"x-litellm-api-key", "other", false},
		"x-api-key":        {"x-api-key", "other", false},
		"api-key":          {"API-KEY", "other", false},
	} {
		if got := c.Forwards(tt.name, tt.value); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAccess(t *testing.T) {
	for name, tt := range map[string]struct {
		key                   config.Key
		model, server         bool // the ones in question: m and s
		otherModel, otherServ bool
	}{
		"absent":      {config.Key{}, true, false, true, false},
		"empty":       {config.Key{Models: []string{}, Servers: []string{}}, false, false, false, false},
		"listed":      {config.Key{Models: []string{"m"}, Servers: []string{"s"}}, true, true, false, false},
		"all":         {config.Key{Models: []string{"*"}, Servers: []string{"*"}}, true, true, true, true},
		"beginning":   {config.Key{Models: []string{"oth*"}, Servers: []string{"oth*"}}, false, false, true, false},
		"letter case": {config.Key{Models: []string{"M"}, Servers: []string{"S"}}, false, false, false, false},
	} {
		k := tt.key
		k.Name, k.Hash = "k", config.HashKey("k")
		id, ok := ring(t, k).ByName("k")
		if !ok {
			t.Fatal(name)
		}
		if id.AllowsModel("m") != tt.model || id.AllowsServer("s") != tt.server ||
			id.AllowsModel("other") != tt.otherModel || id.AllowsServer("other") != tt.otherServ {
			t.Errorf("%s: %+v", name, id)
		}
	}
	var nobody *Identity
	if nobody.AllowsModel("m") || nobody.AllowsServer("s") {
		t.Error("nobody may use something")
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(&config.Config{Keys: []config.Key{key("a", "x"), key("b", "x")}}, nil); err == nil || strings.Contains(err.Error(), "x ") {
		t.Errorf("two keys with one text: %v", err)
	}
	if _, err := New(&config.Config{Keys: []config.Key{{Name: "a"}}}, nil); err == nil {
		t.Error("a key without a text is taken")
	}
}

func TestIdentifyAllocatesOnce(t *testing.T) {
	r := ring(t, key("dev", "sk-dev-0123456789-0123456789-0123456789-0123456789"))
	h := headers("Authorization: Bearer sk-dev-0123456789-0123456789-0123456789-0123456789")
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := r.Identify(t.Context(), h, ""); err != nil {
			t.Fatal(err)
		}
	}); n > 1 { // what keeps the key from being printed
		t.Errorf("%v allocations for each request", n)
	}
}

func FuzzIdentify(f *testing.F) {
	f.Add("Bearer sk-dev", "x", "y")
	f.Fuzz(func(t *testing.T, authorization, litellm, tag string) {
		r := ring(t, key("dev", "sk-dev"))
		h := http.Header{"Authorization": {authorization}, "X-Litellm-Api-Key": {litellm}}
		id, c, err := r.Identify(t.Context(), h, "")
		if (id == nil) == (err == nil) {
			t.Fatalf("%v, %v", id, err)
		}
		if id != nil && c.Key.Reveal() != "sk-dev" {
			t.Errorf("let in by %q", c.Key.Reveal())
		}
		if c.Forwards("x-tag", tag) && !c.Key.Empty() && strings.TrimSpace(tag) == c.Key.Reveal() {
			t.Errorf("hands on the key")
		}
	})
}

func TestAllowsToolsets(t *testing.T) {
	k := key("a", "sk-a")
	k.Servers, k.Toolsets = []string{"web"}, []string{"support"}
	k.Choices = []config.ToolChoice{{Server: "files", Tools: []string{"read"}}, {Server: "docs", Tools: []string{"*"}}, {Server: "files", Tools: []string{"stat"}}}
	r := ring(t, k)
	id, _ := r.ByName("a")
	for server, want := range map[string][2]bool{"web": {true, true}, "docs": {true, true}, "files": {true, false}, "mail": {}} {
		if got := [2]bool{id.AllowsServer(server), id.AllowsWhole(server)}; got != want {
			t.Errorf("%s: %v, want %v", server, got, want)
		}
	}
	for tool, want := range map[[2]string]bool{
		{"web", "x"}: true, {"docs", "x"}: true, {"files", "read"}: true, {"files", "stat"}: true, {"files", "write"}: false, {"mail", "send"}: false, {"files", "*"}: false,
	} {
		if got := id.AllowsTool(tool[0], tool[1]); got != want {
			t.Errorf("%v: %v, want %v", tool, got, want)
		}
	}
	for set, servers := range map[string][]string{"support": nil, "search": {"mail", "web"}} {
		if !id.AllowsToolset(set, servers) {
			t.Errorf("the toolset %s of %v is refused", set, servers)
		}
	}
	if id.AllowsToolset("all", []string{"files", "docs"}) {
		t.Error("a toolset that was not given may be named, by pieces of its servers")
	}
	var nobody *Identity
	if nobody.AllowsTool("web", "x") || nobody.AllowsToolset("support", nil) || nobody.AllowsWhole("web") || nobody.AllowsServer("web") {
		t.Error("nobody may use something")
	}
	if !Anyone().AllowsTool("x", "y") || !Anyone().AllowsToolset("z", []string{"x"}) {
		t.Error("anyone may not use everything")
	}
}
