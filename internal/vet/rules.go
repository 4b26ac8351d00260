package vet

import "strings"

// The rules that normalising meets.
const (
	ruleTags      = "tag-characters"
	ruleBidi      = "bidi-controls"
	ruleInvisible = "invisible-characters"
	ruleControl   = "control-characters"
	ruleMixed     = "mixed-scripts"
	ruleEncoded   = "encoded-text"
	ruleLong      = "too-long"
)

// markup are texts that have no place in what describes a tool: marks that models take for the frame of a conversation, what
// a page would not show, and places where secrets are.
var markup = []struct{ rule, text string }{
	{"hidden-markup", "<important>"},
	{"hidden-markup", "</important>"},
	{"hidden-markup", "<system>"},
	{"hidden-markup", "<instructions>"},
	{"hidden-markup", "<instruction>"},
	{"hidden-markup", "<secret>"},
	{"hidden-markup", "<hidden>"},
	{"hidden-markup", "<critical>"},
	{"hidden-markup", "<admin>"},
	{"hidden-markup", "<override>"},
	{"hidden-markup", "<assistant>"},
	{"hidden-markup", "<system-reminder>"},
	{"hidden-markup", "<|im_start|>"},
	{"hidden-markup", "<|im_end|>"},
	{"hidden-markup", "<|system|>"},
	{"hidden-markup", "<|start_header_id|>"},
	{"hidden-markup", "[inst]"},
	{"hidden-markup", "<<sys>>"},
	{"hidden-markup", "[system]"},
	{"hidden-markup", "### system"},
	{"hidden-markup", "<!--"},
	{"hidden-markup", "display:none"},
	{"hidden-markup", "font-size:0"},
	{"hidden-markup", "javascript:"},
	{"hidden-markup", "<script"},
	{"secret-place", "~/.ssh"},
	{"secret-place", "/.ssh/"},
	{"secret-place", "id_rsa"},
	{"secret-place", "id_ed25519"},
	{"secret-place", ".aws/credentials"},
	{"secret-place", "/etc/passwd"},
	{"secret-place", "/etc/shadow"},
	{"secret-place", "mcp.json"},
	{"secret-place", "claude_desktop_config"},
	{"secret-place", ".git-credentials"},
	{"secret-place", ".netrc"},
	{"secret-place", ".bash_history"},
	{"secret-place", ".config/gcloud"},
	{"secret-place", ".kube/config"},
	{"secret-place", "/proc/self/environ"},
	{"secret-place", "169.254.169.254"},
}

// phrases are sentences that give orders to a model, or keep something from its user: one word of each group, in this order,
// with at most three others between two of them.
var phrases = compile([][2]string{
	{"override", "ignore|disregard|forget|override|bypass  previous|prior|earlier|preceding|above|your|system|safety  instruction|instructions|prompt|prompts|guidelines|guardrails|directives|rules"},
	{"override", "ignore|disregard|forget|override|bypass  all|any|other|these|those|the  instructions|prompts|guidelines|guardrails|directives"},
	{"override", "new|real|actual|true|updated  system  instruction|instructions|prompt|task"},
	{"override", "you  are  now  in|an|a|the|no|dan|unrestricted|free"},
	{"override", "developer|jailbreak|dan|god  mode  enabled|on|active|activated"},
	{"conceal", "not|never|dont|avoid|without|cannot|mustnt|shouldnt  tell|telling|inform|informing|mention|mentioning|notify|notifying|reveal|revealing|disclose|disclosing|alert|alerting|warn|warning  user|users|human|anyone|them|person|operator"},
	{"conceal", "not|never|dont|avoid  mention|reveal|disclose|explain|show|say  this|that|it|these  user|users|human|anyone|instruction|instructions|step|steps"},
	{"conceal", "hide|conceal|keep|hidden|secret  from  user|users|human|anyone|operator"},
	{"conceal", "user|users|human  must|should|may|can|need|needs|will  not|never  see|know|notice|learn|aware|informed|told"},
	{"conceal", "without  user|users|human  knowing|noticing|knowledge|awareness|consent|approval|permission"},
	{"conceal", "silently|secretly|covertly|quietly|discreetly  send|read|call|copy|upload|forward|run|execute|include|post|add|append|collect|fetch|transmit|bcc"},
	{"other-tools", "before|prior|whenever|after|instead  using|calling|invoking|use|call|running|executing|use|any  any|other|another|every|all|of  other|tool|tools|function|functions"},
	{"other-tools", "always|must|first  call|invoke|run|use  this  before|instead|whenever  any|every|all|other|another"},
	{"other-tools", "when|whenever|if|once  tool|tools|function  called|invoked|used|run|available|present  must|always|instead|also"},
	{"other-tools", "all|every|any  email|emails|message|messages|mail|payment|payments|transfer|transfers|request|requests  must|should|shall|always|instead|to  sent|go|routed|redirected|forwarded|delivered|proxy|attacker"},
	{"other-tools", "change|replace|set|modify|rewrite  recipient|recipients|destination|payee|beneficiary  to|with|before"},
	{"exfiltrate", "include|send|pass|forward|append|attach|put|provide|add|insert|copy|post|submit|upload  conversation|chat|message|messages  history|log|logs|transcript|context"},
	{"exfiltrate", "include|send|pass|forward|append|attach|put|provide|add|insert|copy|post|submit|upload|print|repeat|output|reveal  system|initial|original|hidden  prompt|instructions|message"},
	{"exfiltrate", "include|send|pass|forward|append|attach|put|provide|post|submit|upload|exfiltrate|leak|transmit  password|passwords|secret|secrets|credentials|credential|keys|tokens|cookies|env|environment  to|as|in|into|here|with"},
	{"exfiltrate", "read|open|cat|load  contents|content|file|files  pass|send|include|attach|put|forward|append|provide  its|it|contents|content|them|as"},
	{"to-the-model", "important|critical|mandatory|urgent|secret|hidden|special|internal|system  instruction|instructions|message|note|notice|directive|order|orders  for|to  ai|llm|assistant|assistants|claude|gpt|chatgpt|gemini|agent|agents|model|models"},
	{"to-the-model", "attention|hey|hello|dear|important  ai|llm|claude|gpt|chatgpt|gemini|assistant|agent  you|please|must|always|do"},
	{"to-the-model", "as  an  ai|llm  you  must|should|have|are"},
	{"to-the-model", "this  is  an|a  instruction|instructions|override|directive|order  from|by  system|developer|developers|admin|administrator|operator|openai|anthropic|google"},
	{"to-the-model", "otherwise|else|or  will|tool|system|application  crash|fail|die|punished|penalized|terminated|lose|shutdown  you|your|everything|all|data"},
})

// maxGap is how many words may stand between two groups of a phrase.
const maxGap = 3

// phrase is a sequence of groups of words.
type phrase struct {
	rule   string
	groups []map[string]bool
}

func compile(table [][2]string) []phrase {
	all := make([]phrase, 0, len(table))
	for _, row := range table {
		p := phrase{rule: row[0]}
		for group := range strings.SplitSeq(row[1], "  ") {
			words := map[string]bool{}
			for w := range strings.SplitSeq(group, "|") {
				words[w] = true
			}
			p.groups = append(p.groups, words)
		}
		all = append(all, p)
	}
	return all
}

// starts are the phrases by their first words.
var starts = func() map[string][]*phrase {
	m := map[string][]*phrase{}
	for i := range phrases {
		for w := range phrases[i].groups[0] {
			m[w] = append(m[w], &phrases[i])
		}
	}
	return m
}()

// meets reports whether the phrase goes on in words, which begin after the word of its first group, and how many words it takes.
func (p *phrase) meets(words []string) (n int, ok bool) {
	at := 0
	for _, group := range p.groups[1:] {
		found := -1
		for i := at; i < len(words) && i <= at+maxGap; i++ {
			if group[words[i]] {
				found = i
				break
			}
		}
		if found < 0 {
			return 0, false
		}
		at = found + 1
	}
	return at, true
}
