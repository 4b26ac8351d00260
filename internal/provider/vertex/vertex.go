// Package vertex is the driver for Google's Vertex AI: Gemini in its own words, Claude in Anthropic's, and the models that
// others have put there in OpenAI's chat completions.
//
// Who asks is said by an access token of Google's credentials: those of the config, which may be a service account's, an
// external account's or an authorized user's JSON, or else the application default ones, which are found where Google's own
// libraries find them: GOOGLE_APPLICATION_CREDENTIALS, what gcloud has left, the metadata server of the machine. They are
// looked for when a request needs them; a token is kept until shortly before it expires. An API key is sent in place of a
// token; with one, neither a project nor a region must be known.
//
// Sources: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference (addresses),
// https://docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/locations,
// https://docs.cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview (chat completions),
// https://docs.anthropic.com/en/api/claude-on-vertex-ai, https://cloud.google.com/docs/authentication/application-default-credentials,
// google.golang.org/genai, and the package vertex of anthropic-sdk-go.
package vertex

import (
	"cmp"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/provider"
	"github.com/fairlead/fairlead/internal/wire"
)

const (
	name     = "vertex"
	gemini   = "gemini"
	messages = "messages"
	chat     = "chat"
	global   = "global"
)

// wires are the wires that it is spoken to in. messages is for Claude, chat for models that are in the catalogue of all.
var wires = []string{gemini, messages, chat}

// Driver returns the driver. It is not found by its key in the environment, since credentials are there without being meant.
func Driver() provider.Driver {
	return provider.Driver{Name: name, Title: "Google Vertex AI", BaseURL: address("<region>"), Regions: true, Projects: true, Wires: wires, Open: open}
}

// address is that of a region's endpoint.
func address(region string) string {
	switch region {
	case global:
		return "https://aiplatform.googleapis.com"
	case "us", "eu":
		return "https://aiplatform." + region + ".rep.googleapis.com"
	}
	return "https://" + region + "-aiplatform.googleapis.com"
}

func open(t provider.Target, env provider.Env) (*provider.Client, error) {
	speaks, err := provider.PickWire(name, t.Wire, wires)
	if err != nil {
		return nil, err
	}
	if t.Wire == "" && strings.HasPrefix(t.Model, "claude") {
		speaks = messages
	}
	var f file
	if !t.Credentials.Empty() {
		if f, err = readFile(t.Credentials.Reveal()); err != nil {
			return nil, &provider.Mistake{Field: "credentials", Message: err.Error()}
		}
	}
	t.Project = cmp.Or(t.Project, f.Project)
	base, err := place(t, speaks)
	if err != nil {
		return nil, err
	}
	w, err := codec(t, env, speaks)
	if err != nil {
		return nil, err
	}
	c := provider.Config{
		Name: name, BaseURL: base, Headers: t.Headers, Wire: w,
		Transport: env.Transport, Timeouts: env.Timeouts, MaxReply: env.MaxReply, UserAgent: env.UserAgent,
	}
	if !t.Key.Empty() {
		c.Key, c.Auth = t.Key, "x-goog-api-key"
	} else {
		c.Sign = newTokens(t.Credentials, env.Transport).sign
	}
	return provider.New(c)
}

// codec is the wire in the form that it has here.
func codec(t provider.Target, env provider.Env, speaks string) (wire.Upstream, error) {
	w, err := env.Wire(speaks, wire.Quirks{Model: t.Model})
	if err != nil || speaks != messages {
		return w, err
	}
	return claude{w, t.Model}, nil
}

// The variables that name the project and the region, as Google's and Anthropic's own SDKs have them.
var (
	projectEnv = []string{"GOOGLE_CLOUD_PROJECT", "ANTHROPIC_VERTEX_PROJECT_ID"}
	regionEnv  = []string{"GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION", "CLOUD_ML_REGION"}
)

func fromEnv(names []string) string {
	for _, n := range names {
		if v := os.Getenv(n); v != "" {
			return v
		}
	}
	return ""
}

// place is the URL below which the models of a target are.
func place(t provider.Target, speaks string) (string, error) {
	project, region := t.Project, t.Region
	if t.Key.Empty() {
		project = cmp.Or(project, fromEnv(projectEnv))
		region = cmp.Or(region, fromEnv(regionEnv))
	}
	region = cmp.Or(region, global)
	base, err := url.Parse(withoutVersion(cmp.Or(t.BaseURL, address(region))))
	if err != nil {
		return "", &provider.Mistake{Field: "base_url", Message: "is no URL"}
	}
	version, below := "v1beta1", []string{"publishers", "google"}
	switch {
	case speaks == messages:
		version, below = "v1", []string{"publishers", "anthropic"}
	case speaks == chat:
		version, below = "v1", []string{"endpoints", "openapi"}
	case strings.HasPrefix(t.Model, "endpoints/"): // a tuned model stands in no publisher's catalogue
		below = nil
	}
	switch {
	case project != "":
		below = append([]string{"projects", url.PathEscape(project), "locations", url.PathEscape(region)}, below...)
	case t.Key.Empty() || speaks != gemini || below == nil:
		return "", &provider.Mistake{Field: "project", Message: "is needed for provider " + name + ", as in project: my-project, unless " + projectEnv[0] + " says it"}
	}
	return base.JoinPath(append([]string{version}, below...)...).String(), nil
}

// withoutVersion takes the API's version from the end of a URL's path: it depends on the model, and the vendor's own SDKs take
// base URLs without.
func withoutVersion(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	dir, last := "", strings.TrimSuffix(u.Path, "/")
	if i := strings.LastIndexByte(last, '/'); i >= 0 {
		dir, last = last[:i], last[i+1:]
	}
	if !slices.Contains([]string{"v1", "v1beta1"}, last) {
		return base
	}
	u.Path, u.RawPath = dir, ""
	return u.String()
}
