package all_test

import (
	"testing"

	"github.com/fairlead/fairlead/internal/provider/all"
)

func TestLookup(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range all.Drivers() {
		if seen[d.Name] {
			t.Errorf("%s stands twice", d.Name)
		}
		seen[d.Name] = true
		if got, ok := all.Lookup(d.Name); !ok || got.Name != d.Name || got.Open == nil {
			t.Errorf("Lookup(%q) = %v, %v", d.Name, got.Name, ok)
		}
	}
	if _, ok := all.Lookup("nobody"); ok {
		t.Error("Lookup found a driver that there is not")
	}
}

func TestFromEnv(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		want map[string]string // provider to base URL
	}{
		{"nothing", nil, nil},
		{"two keys", map[string]string{"OPENAI_API_KEY": "a", "GROQ_API_KEY": "b", "HOME": "/"}, map[string]string{"openai": "", "groq": ""}},
		{"anthropic at its own address", map[string]string{"ANTHROPIC_API_KEY": "a", "ANTHROPIC_BASE_URL": "http://h"}, map[string]string{"anthropic": "http://h"}},
		{"own address", map[string]string{"OPENAI_API_KEY": "a", "OPENAI_BASE_URL": "http://h/v1"}, map[string]string{"openai": "http://h/v1"}},
		{"azure without its address", map[string]string{"AZURE_OPENAI_API_KEY": "a"}, nil},
		{
			"azure",
			map[string]string{"AZURE_OPENAI_API_KEY": "a", "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com"},
			map[string]string{"azure": "https://x.openai.azure.com"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := all.FromEnv(func(name string) string { return c.env[name] })
			if len(got) != len(c.want) {
				t.Fatalf("found %d providers, want %d", len(got), len(c.want))
			}
			for _, f := range got {
				base, ok := c.want[f.Driver.Name]
				if !ok || f.Target.BaseURL != base || f.Target.Key.Reveal() != c.env[f.KeyEnv] {
					t.Errorf("found %s at %q with the key of %s", f.Driver.Name, f.Target.BaseURL, f.KeyEnv)
				}
			}
		})
	}
}
