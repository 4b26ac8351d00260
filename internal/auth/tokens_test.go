package auth

import (
	"context"
	"crypto/sha256"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/bearer/bearertest"
	"github.com/fairlead/fairlead/internal/config"
	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/secret"
)

const public = "https://gateway.example.com"

// staff is a configuration with one issuer, and a key.
func staff(s *bearertest.Server) *config.Config {
	return &config.Config{
		PublicURL: public, Keys: []config.Key{{Name: "ops", Hash: config.HashKey("sk-ops"), Servers: []string{"*"}}},
		OAuth: config.OAuth{Issuers: []config.Issuer{{
			Name: "staff", URL: s.URL, Audiences: []string{"api://gateway"}, API: true,
			Grants: []config.Grant{
				{Servers: []string{"docs"}},
				{Scopes: []string{"files:read"}, Servers: []string{"files"}, Attach: []string{"files"}},
				{Scopes: []string{"chat", "paid"}, Models: []string{"fast"}},
				{Claims: []config.Claim{{Name: "groups", Value: "platform"}}, Key: "ops"},
				{Claims: []config.Claim{{Name: "groups", Value: "sales"}}, Scopes: []string{"crm"}, Servers: []string{"crm"}},
			},
		}}},
	}
}

func open(t *testing.T, cfg *config.Config, before *Keyring) *Keyring {
	t.Helper()
	r, err := New(cfg, before)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func show(t *testing.T, r *Keyring, token, path string) (*Identity, error) {
	t.Helper()
	id, c, err := r.Identify(t.Context(), headers("Authorization: Bearer "+token), path)
	if (id == nil) == (err == nil) {
		t.Fatalf("%v, %v", id, err)
	}
	if c.Forwards("Authorization", "Bearer "+token) || c.Forwards("X-Tag", token) {
		t.Error("the token is handed on")
	}
	return id, err
}

func TestGrants(t *testing.T) {
	s := bearertest.New(t)
	r := open(t, staff(s), nil)
	for name, tt := range map[string]struct {
		claims map[string]any
		may    string // of the servers docs, files, crm, other and the models fast, slow
		attach string
	}{
		"nothing else":      {nil, "docs", ""},
		"a scope":           {map[string]any{"scope": "openid files:read"}, "docs files", "files"},
		"half of two":       {map[string]any{"scope": "chat"}, "docs", ""},
		"two":               {map[string]any{"scp": []string{"paid", "chat"}}, "docs fast", ""},
		"a group":           {map[string]any{"groups": []string{"x", "platform"}}, "docs files crm other fast slow", ""},
		"another group":     {map[string]any{"groups": "sales", "scope": "files:write"}, "docs", ""},
		"group and scope":   {map[string]any{"groups": "sales", "scope": "crm files:read"}, "docs files crm", "files"},
		"scope, no group":   {map[string]any{"scope": "crm"}, "docs", ""},
		"scopes of a rogue": {map[string]any{"scope": "* ops admin"}, "docs", ""},
	} {
		id, err := show(t, r, s.Token(s.Claims(public+"/mcp", tt.claims), nil), "/mcp")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var may []string
		for _, server := range []string{"docs", "files", "crm", "other"} {
			if id.AllowsServer(server) {
				may = append(may, server)
			}
		}
		for _, model := range []string{"fast", "slow"} {
			if id.AllowsModel(model) {
				may = append(may, model)
			}
		}
		if got := strings.Join(may, " "); got != tt.may || strings.Join(id.Attach, " ") != tt.attach {
			t.Errorf("%s: may use %s, attaches %v", name, got, id.Attach)
		}
	}
}

func TestAudience(t *testing.T) {
	s := bearertest.New(t)
	cfg := staff(s)
	r := open(t, cfg, nil)
	cfg.OAuth.Issuers[0].API = false
	noAPI := open(t, cfg, nil)
	for aud, at := range map[string]string{ // the paths where it is good
		public + "/mcp":         "/mcp",
		public + "/mcp/":        "/mcp",
		public + "/mcp/files":   "/mcp/files",
		public + "/mcp/a,b":     "/mcp/a,b",
		public:                  "/mcp /mcp/files /mcp/a,b v1",
		public + "/":            "/mcp /mcp/files /mcp/a,b v1",
		"api://gateway":         "/mcp /mcp/files /mcp/a,b v1",
		"api://gateway/":        "",
		"https://other.example": "",
		public + ".evil/mcp":    "",
		public + "/v1":          "",
		public + "/mcp/FILES":   "",
		"a-client":              "",
		"":                      "",
	} {
		token := s.Token(s.Claims(aud, nil), nil)
		var good []string
		for _, path := range []string{"/mcp", "/mcp/files", "/mcp/a,b", ""} {
			_, err := show(t, r, token, path)
			switch f := fault.From(err); {
			case err == nil && path == "":
				good = append(good, "v1")
			case err == nil:
				good = append(good, path)
			case f.Kind != fault.Unauthenticated || f.Code != "invalid_token" || f.Message != "the token is for another resource":
				t.Errorf("%s at %s: %v", aud, path, err)
			}
		}
		if got := strings.Join(good, " "); got != at {
			t.Errorf("%q is good at %s, want %s", aud, got, at)
		}
		if _, err := show(t, noAPI, token, ""); err == nil {
			t.Errorf("%s is good without api", aud)
		}
	}
	if _, err := show(t, r, s.Token(s.Claims("", map[string]any{"aud": nil}), nil), "/mcp"); err == nil {
		t.Error("a token for nobody is good")
	}
	if _, err := show(t, r, s.Token(s.Claims("", map[string]any{"aud": []string{"x", public + "/mcp"}}), nil), "/mcp"); err != nil {
		t.Error(err)
	}
}

// TestAttack05Principals: whoever may differ has another principal, and a token that takes the place of an old one has the same.
func TestAttack05Principals(t *testing.T) {
	s, twin := bearertest.New(t), bearertest.New(t)
	cfg := staff(s)
	second := cfg.OAuth.Issuers[0]
	second.Name, second.URL = "partners", twin.URL
	cfg.OAuth.Issuers = append(cfg.OAuth.Issuers, second)
	cfg.Keys = append(cfg.Keys, config.Key{Name: "alice", Hash: config.HashKey("sk-alice")}, config.Key{Name: "staff", Hash: config.HashKey("sk-staff")})
	r := open(t, cfg, nil)
	principal := func(token string) string {
		id, err := show(t, r, token, "/mcp")
		if err != nil {
			t.Fatal(err)
		}
		return id.Principal()
	}
	of := func(s *bearertest.Server, claims map[string]any) string {
		return principal(s.Token(s.Claims(public+"/mcp", claims), nil))
	}
	alice := of(s, nil)
	if again := of(s, map[string]any{"scope": "files:read", "client_id": "another-client"}); again != alice {
		t.Errorf("a new token of the same person is %s, not %s", again, alice)
	}
	seen := map[string]string{alice: "alice"}
	for name, p := range map[string]string{
		"bob":             of(s, map[string]any{"sub": "bob"}),
		"another's alice": of(twin, nil),
		"a client":        of(s, map[string]any{"sub": nil, "client_id": "alice"}),
		"a long one":      of(s, map[string]any{"sub": "alice\x00"}),
		"a key alice":     principal("sk-alice"),
		"a key staff":     principal("sk-staff"),
		"anyone":          Anyone().Principal(),
	} {
		if other, twice := seen[p]; twice {
			t.Errorf("%s is %s, too: %q", name, other, p)
		}
		seen[p] = name
	}
}

func TestTokensAndKeysSideBySide(t *testing.T) {
	s := bearertest.New(t)
	r := open(t, staff(s), nil)
	token := s.Token(s.Claims(public+"/mcp", nil), nil)
	id, _, err := r.Identify(t.Context(), headers("Authorization: Bearer sk-ops"), "/mcp")
	if err != nil || id.Principal() != "ops" || id.Scoped() || s.Asked("/jwks") > 0 {
		t.Errorf("%v, %v", id, err)
	}
	for _, h := range [][]string{{"x-litellm-api-key: " + token}, {"x-api-key: " + token}, {"api-key: " + token}, {"x-litellm-api-key: wrong", "Authorization: Bearer " + token}} {
		if id, _, err := r.Identify(t.Context(), headers(h...), "/mcp"); err == nil {
			t.Errorf("a token is good in %s: %+v", h[0][:12], id)
		}
	}
	for range 20 {
		if _, err := show(t, r, token, "/mcp"); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Asked("/jwks"); n != 1 {
		t.Errorf("keys were fetched %d times", n)
	}
	if id, err := show(t, r, "sk-wrong", "/mcp"); err == nil || strings.Contains(err.Error(), "sk-wrong") {
		t.Errorf("%v, %v", id, err)
	}
}

func TestIntrospectionIsRemembered(t *testing.T) {
	s := bearertest.New(t)
	cfg := staff(s)
	cfg.OAuth.Issuers[0].Introspection = &config.Introspection{URL: s.URL + "/introspect", ClientID: bearertest.ClientID, Secret: secret.New(bearertest.ClientSecret)}
	r := open(t, cfg, nil)
	token := s.Opaque(s.Claims(public+"/mcp", map[string]any{"scope": "files:read"}))
	for range 10 {
		id, err := show(t, r, token, "/mcp")
		if err != nil || !id.AllowsServer("files") {
			t.Fatalf("%v, %v", id, err)
		}
		if _, err := show(t, r, "of-nobody", "/mcp"); err == nil {
			t.Fatal("an unknown token is good")
		}
		if _, _, err := r.Identify(t.Context(), headers("Authorization: Bearer sk-ops"), "/mcp"); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Asked("/introspect"); n != 2 {
		t.Errorf("the issuer was asked %d times", n)
	}
	if _, err := show(t, r, token, "/mcp/files"); err == nil {
		t.Error("a token for another resource is good")
	}
}

// TestNow: what a token may is judged by the config that holds.
func TestNow(t *testing.T) {
	s := bearertest.New(t)
	cfg := staff(s)
	r := open(t, cfg, nil)
	id, err := show(t, r, s.Token(s.Claims(public+"/mcp", map[string]any{"scope": "files:read"}), nil), "/mcp")
	if err != nil || r.Now(id) != id {
		t.Fatalf("%v, %v", id, err)
	}
	cfg = staff(s)
	cfg.OAuth.Issuers[0].Grants = cfg.OAuth.Issuers[0].Grants[:1]
	later := open(t, cfg, r)
	if now := later.Now(id); !now.AllowsServer("docs") || now.AllowsServer("files") || now.Principal() != id.Principal() {
		t.Errorf("%+v", now)
	}
	if _, err := show(t, later, s.Token(s.Claims(public+"/mcp", nil), nil), "/mcp"); err != nil || s.Asked("/jwks") != 1 {
		t.Errorf("%v, keys were fetched %d times", err, s.Asked("/jwks"))
	}
	cfg = staff(s)
	cfg.OAuth = config.OAuth{}
	if now := open(t, cfg, r).Now(id); now != nil {
		t.Errorf("%+v", now)
	}
	if now := later.Now(Anyone()); now != Anyone() {
		t.Errorf("%+v", now)
	}
}

func TestChallenge(t *testing.T) {
	s := bearertest.New(t)
	cfg := staff(s)
	r := open(t, cfg, nil)
	const prm = `resource_metadata="` + public + `/.well-known/oauth-protected-resource`
	shown := Credential{Header: headerAuthorization}
	for path, want := range map[string]string{
		"/mcp":            prm + `/mcp", scope="files:read chat paid crm"`,
		"/mcp/files":      prm + `/mcp/files", scope="files:read"`,
		"/mcp/docs":       prm + `/mcp/docs"`,
		"/mcp/docs,files": prm + `/mcp/docs,files", scope="files:read"`,
		"/mcp/unknown":    prm + `/mcp/unknown"`,
		`/mcp/a"b`:        prm + `/mcp/a%22b"`,
		"":                prm + `", scope="files:read chat paid crm"`,
	} {
		if got := r.Challenge(path, Credential{}); got != "Bearer "+want {
			t.Errorf("%s: %s", path, got)
		}
		if got := r.Challenge(path, shown); got != `Bearer error="invalid_token", `+want {
			t.Errorf("%s: %s", path, got)
		}
	}
	cfg.OAuth.Scopes, cfg.OAuth.Issuers[0].API = []string{"files:read"}, false
	r = open(t, cfg, nil)
	if got := r.Challenge("/mcp", Credential{}); got != "Bearer "+prm+`/mcp", scope="files:read"` {
		t.Error(got)
	}
	if got := r.Challenge("", shown); got != "Bearer" {
		t.Error(got)
	}
	if got := ring(t, key("a", "b")).Challenge("/mcp", shown); got != "Bearer" {
		t.Error(got)
	}
	if doc := ring(t, key("a", "b")).Resource("/mcp"); doc != nil {
		t.Errorf("%s", doc)
	}
}

func TestResource(t *testing.T) {
	s := bearertest.New(t)
	r := open(t, staff(s), nil)
	for path, scopes := range map[string]string{
		"":             `,"scopes_supported":["files:read","chat","paid","crm"]`,
		"/mcp":         `,"scopes_supported":["files:read","chat","paid","crm"]`,
		"/mcp/files":   `,"scopes_supported":["files:read"]`,
		"/mcp/docs":    ``,
		"/mcp/nowhere": ``,
	} {
		want := `{"resource":"` + public + path + `","authorization_servers":["` + s.URL + `"]` + scopes + `,"bearer_methods_supported":["header"],"resource_name":"Fairlead"}`
		if got := string(r.Resource(path)); got != want {
			t.Errorf("%s:\n%s, want\n%s", path, got, want)
		}
	}
}

// TestAttack10MissingScopes: what is asked for is what is missing, and only where it would help.
func TestAttack10MissingScopes(t *testing.T) {
	s := bearertest.New(t)
	r := open(t, staff(s), nil)
	for name, tt := range map[string]struct {
		claims map[string]any
		server string
		want   string // the scopes; empty: no challenge
	}{
		"a scope":             {nil, "files", "files:read"},
		"what it has":         {nil, "docs", ""},
		"another's":           {map[string]any{"scope": "files:write"}, "files", "files:read"},
		"no scope would help": {nil, "crm", ""},
		"a claim it has":      {map[string]any{"groups": "sales"}, "crm", "crm"},
		"unknown":             {nil, "nowhere", ""},
	} {
		id, err := show(t, r, s.Token(s.Claims(public+"/mcp", tt.claims), nil), "/mcp")
		if err != nil {
			t.Fatal(err)
		}
		got, want := id.Insufficient("/mcp", func(id *Identity) bool { return id.AllowsServer(tt.server) }), ""
		if tt.want != "" {
			want = `Bearer error="insufficient_scope", error_description="this takes a scope that the token does not have", resource_metadata="` + public + `/.well-known/oauth-protected-resource/mcp", scope="` + tt.want + `"`
		}
		if got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if id, _, _ := r.Identify(t.Context(), headers("Authorization: Bearer sk-ops"), "/mcp"); id.Insufficient("/mcp", func(id *Identity) bool { return id.AllowsServer("files") }) != "" {
		t.Error("a key is told of scopes")
	}
}

// TestMergeKnowsAllOfAKey holds merge to the fields of a key: a grant that is like a key is worth as much as it.
func TestMergeKnowsAllOfAKey(t *testing.T) {
	for field := range reflect.TypeFor[config.Key]().Fields() {
		if field.Name == "Name" || field.Name == "Hash" {
			continue
		}
		var k config.Key
		v := reflect.ValueOf(&k).Elem().FieldByIndex(field.Index)
		switch v.Kind() {
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			if v.Index(0).Kind() == reflect.String {
				v.Index(0).SetString("x")
			}
		case reflect.Bool:
			v.SetBool(true)
		case reflect.String:
			v.SetString("x")
		case reflect.Int, reflect.Int64:
			v.SetInt(7)
		default:
			t.Fatalf("say here how %s is set", field.Name)
		}
		k.Models = append([]string{}, k.Models...)
		got := merge(config.Key{Models: []string{}}, k)
		if !reflect.DeepEqual(reflect.ValueOf(got).FieldByIndex(field.Index).Interface(), v.Interface()) {
			t.Errorf("merge leaves out %s", field.Name)
		}
	}
}

func TestManyTokensAreForgotten(t *testing.T) {
	s := bearertest.New(t)
	r := open(t, staff(s), nil)
	r.tokens.seen.limit = 8
	token := s.Token(s.Claims(public+"/mcp", nil), nil)
	for i := range 50 {
		if _, err := show(t, r, s.Token(s.Claims(public+"/mcp", map[string]any{"n": i}), nil), "/mcp"); err != nil {
			t.Fatal(err)
		}
		if _, err := show(t, r, token, "/mcp"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(r.tokens.seen.by); n > 8 {
		t.Errorf("%d tokens are remembered", n)
	}
}

func TestIssuerAway(t *testing.T) {
	s := bearertest.New(t)
	cfg := staff(s)
	cfg.OAuth.Issuers[0].JWKS = s.URL + "/nowhere"
	_, err := show(t, open(t, cfg, nil), s.Token(s.Claims(public+"/mcp", nil), nil), "/mcp")
	if f := fault.From(err); f.Kind != fault.Unavailable || strings.Contains(f.Message, s.URL) {
		t.Errorf("%v", err)
	}
}

// TestAttack02OwnTokenBesideAKey: a token for the gateway goes to no server, though the Authorization beside a key is the caller's own.
func TestAttack02OwnTokenBesideAKey(t *testing.T) {
	s, other := bearertest.New(t), bearertest.New(t)
	r := open(t, staff(s), nil)
	for name, tt := range map[string]struct {
		token string
		goes  bool
	}{
		"for the gateway":    {s.Token(s.Claims(public, nil), nil), false},
		"for a route":        {s.Token(s.Claims(public+"/mcp/files", nil), nil), false},
		"by its other name":  {s.Token(s.Claims("api://gateway", nil), nil), false},
		"expired":            {s.Token(s.Claims(public, map[string]any{"exp": 1}), nil), false},
		"for another":        {s.Token(s.Claims("https://files.example.com", nil), nil), true},
		"of another issuer":  {other.Token(other.Claims(public, nil), nil), true},
		"that is none":       {"opaque", true},
		"for another's name": {s.Token(s.Claims(public+".example.org/", nil), nil), true},
	} {
		h := headers("x-litellm-api-key: sk-ops", "Authorization: Bearer "+tt.token)
		id, c, err := r.Identify(t.Context(), h, "/mcp")
		if err != nil || id.Principal() != "ops" || c.Forwards("Authorization", h.Get("Authorization")) != tt.goes {
			t.Errorf("%s: %v, %v", name, id, err)
		}
	}
}

// TestVerifyingIsBounded: strangers cannot have any number of tokens verified at a time, and a defect there ends no process.
func TestVerifyingIsBounded(t *testing.T) {
	s, wait := newSeen(), make(chan struct{})
	hold := func(context.Context) (*Identity, time.Duration, error) {
		<-wait
		panic("a defect")
	}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	refused := 0
	for i := range maxOpen + 5 {
		_, err := s.get(ctx, sha256.Sum256([]byte{byte(i), byte(i >> 8)}), hold)
		if fault.From(err).Code == "overloaded" {
			refused++
		}
	}
	if refused != 5 {
		t.Errorf("%d were refused", refused)
	}
	close(wait)
	if _, err := s.get(t.Context(), [sha256.Size]byte{}, func(context.Context) (*Identity, time.Duration, error) { panic("a defect") }); err == nil {
		t.Error("a defect is no error")
	}
}
