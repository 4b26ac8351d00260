package plan

import "github.com/fairlead/fairlead/internal/llm"

// rounds is m for the rounds of one loop: where m may choose between deployments, it stays with the one that has answered.
func rounds(m llm.Model) llm.Model {
	if r, ok := m.(interface{ Session() llm.Model }); ok {
		return r.Session()
	}
	return m
}
