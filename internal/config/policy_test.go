package config

import (
	"reflect"
	"strings"
	"testing"
)

func parsePolicy(t *testing.T, file string) (*Config, error) {
	t.Helper()
	return Parse("f", []byte(file), Options{
		Getenv: func(string) string { return "x" },
		CheckRule: func(expr string) []ExprMistake {
			if at := strings.Index(expr, "wrong"); at >= 0 {
				line := strings.Count(expr[:at], "\n") + 1
				return []ExprMistake{{line, at - strings.LastIndex(expr[:at], "\n"), "no such word"}}
			}
			return nil
		},
	})
}

func TestPolicy(t *testing.T) {
	c, err := parsePolicy(t, `
rules:
  - {name: first, when: 'tool.name == "x"', then: deny, reason: "not here"}
  - name: second
    when: |
      tool.read_only &&
        args.path.matches("a$$")
    then: allow
taint: deny
mcp_servers:
  web:
    url: https://web.example.com/mcp
    trust: untrusted
    tools:
      params:
        fetch: {url: ["https://docs.example.com/*"], depth: [1, 2.0, true], any: ["*"]}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Rule{{"first", `tool.name == "x"`, ThenDeny, "not here"}, {"second", "tool.read_only &&\n  args.path.matches(\"a$\")\n", ThenAllow, ""}}
	if !reflect.DeepEqual(c.Rules, want) || c.Taint != TaintDeny || !c.Untrusted() {
		t.Errorf("got %+v, %s", c.Rules, c.Taint)
	}
	params := map[string]map[string][]string{"fetch": {"url": {"https://docs.example.com/*"}, "depth": {"1", "2.0", "true"}, "any": {"*"}}}
	if !reflect.DeepEqual(c.Servers[0].Params, params) {
		t.Errorf("got %+v", c.Servers[0].Params)
	}
	if Default().Untrusted() || Default().Taint != TaintAsk {
		t.Error("by default there is trust, and taint asks")
	}
}

func TestMistakesInRules(t *testing.T) {
	for file, want := range map[string]string{
		"rules:\n  - {name: a, when: tool.wrong, then: deny}":                                    "f:2:26: rules[0].when: no such word",
		"rules:\n  - {name: a, when: 'tool.wrong', then: deny}":                                  "f:2:27: rules[0].when: no such word",
		"rules:\n  - name: a\n    then: ask\n    when: |\n      true &&\n        wrong":          "f:6:9: rules[0].when: no such word",
		"rules:\n  - name: a\n    then: ask\n    when: true &&\n      wrong":                     "f:4:11: rules[0].when: line 1, column 9 of the expression: no such word",
		"rules:\n  - name: a\n    then: ask\n    when: >\n      true\n      && wrong":            "f:4:11: rules[0].when: line 1, column 9 of the expression: no such word",
		"rules:\n  - {name: a, when: '${X} wrong', then: deny}":                                  "f:2:21: rules[0].when: line 1, column 3 of the expression: no such word",
		"rules:\n  - {name: a, when: true, then: deny}":                                          "f:2:21: rules[0].when: must be a text, not true or false; put it in quotes",
		"rules:\n  - {name: a, when: 'true', then: refuse}":                                      `f:2:35: rules[0].then: must be one of deny, ask, allow, not "refuse"`,
		"rules:\n  - {name: a, when: 'true'}":                                                    "f:2:5: rules[0].then: is missing: what is done when it is true: the use is denied, a person is asked, or it is allowed, as far as the key may do it at all",
		"rules:\n  - {name: a, when: 'true', then: ask}\n  - {name: a, when: 'true', then: ask}": "f:3:12: rules[1].name: the rule \"a\" stands in line 2 already",
		"rules:\n  - {name: a, when: 'true', then: ask, reason: \"a\\nb\"}":                      `f:2:48: rules[0].reason: must be one line of at most 500 characters, not "a b"`,
		"taint: on": `f:1:8: taint: must be one of ask, deny, off, not "on"`,
		"mcp_servers: {w: {url: 'https://w', trust: no}}":                          "f:1:44: mcp_servers.w.trust: must be one of trusted, untrusted, not \"no\"",
		"mcp_servers: {w: {url: 'https://w', tools: {params: {x: {a: ['b*c']}}}}}": "f:1:62: mcp_servers.w.tools.params.x.a[0]: a * may stand at the end only, for any rest",
		"mcp_servers: {w: {url: 'https://w', tools: {params: {x: {a: []}}}}}":      "f:1:61: mcp_servers.w.tools.params.x.a: must not be empty",
		"mcp_servers: {w: {url: 'https://w', tools: {params: {x: [a]}}}}":          "f:1:57: mcp_servers.w.tools.params.x: must be a mapping (key: value), not a list",
	} {
		if _, err := parsePolicy(t, file); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", file, err, want)
		}
	}
}
