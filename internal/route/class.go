package route

import (
	"context"
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
)

// Cause is what went wrong, as far as it decides where a request may go instead.
type Cause int

// The causes. Each but the first has a list of fallbacks.
const (
	Other         Cause = iota // the request's own fault, or nobody's
	RateLimit                  // no more requests or tokens for now, or no credit left
	ContextWindow              // too long for the model
	ContentFilter              // refused for what it says
	Outage                     // not reached, too slow, failing, or no longer letting us in
	causes
)

var causeNames = [causes]string{"other", "rate_limit", "context_window", "content_filter", "outage"}

// String is the cause's key in the config.
func (c Cause) String() string { return causeNames[c] }

// verdict is what an error means for a request, and for the deployment that made it.
type verdict struct {
	cause Cause
	away  bool // another deployment may do better
	again bool // the same one may do better after a while
	blame bool // the deployment is to blame
}

// What clients can bring about by what they send is not held against a deployment that all of them share.
var (
	mistaken = verdict{}
	strange  = verdict{away: true}                                          // it does not know what is asked for
	closedTo = verdict{cause: Outage, away: true}                           // it may not be asked for this
	locked   = verdict{cause: Outage, away: true, blame: true}              // it does not take our key, or we have none
	down     = verdict{cause: Outage, away: true, again: true, blame: true} // it fails
	limited  = verdict{cause: RateLimit, away: true, again: true}           // it has enough for now
	unpaid   = verdict{cause: RateLimit, away: true}                        // the credit is used up
	long     = verdict{cause: ContextWindow}
	filtered = verdict{cause: ContentFilter}
)

// judge classes an error that came before the first event.
func judge(ctx context.Context, err error) verdict {
	f := fault.From(err)
	if f.Final || f.Told || ctx.Err() != nil {
		return mistaken
	}
	switch f.Kind {
	case fault.Refused:
		return refused(f)
	case fault.Credentials:
		return locked
	case fault.Upstream, fault.Timeout, fault.Unavailable:
		return down
	default:
		return mistaken
	}
}

// refused classes what a provider has answered, by its status and, where vendors use one status for many things, by the
// words that they document: OpenAI (context_length_exceeded, content_policy_violation, insufficient_quota), Azure OpenAI
// (content_filter, ResponsibleAIPolicyViolation, DeploymentNotFound), Anthropic (billing_error, "prompt is too long"),
// Gemini ("input token count exceeds the maximum"), Alibaba (data_inspection_failed), llama.cpp (exceed_context_size_error).
func refused(f *fault.Error) verdict {
	switch f.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusForbidden:
		switch {
		case f.Status == http.StatusRequestEntityTooLarge || says(f, tooLong, tooLongText):
			return long
		case says(f, filterWords, nil):
			return filtered
		case f.Status == http.StatusForbidden:
			return closedTo
		}
		return mistaken
	case http.StatusTooManyRequests:
		if says(f, quotaWords, nil) {
			return unpaid
		}
		return limited
	case http.StatusPaymentRequired:
		return unpaid
	case http.StatusUnauthorized:
		return locked
	case http.StatusNotFound:
		if says(f, absentWords, nil) {
			return closedTo
		}
		return strange
	case http.StatusRequestTimeout, http.StatusTooEarly, 498: // 498: Groq's flex tier has no room
		return down
	}
	if f.Status >= http.StatusInternalServerError {
		return down
	}
	return mistaken
}

var (
	tooLong     = []string{"context_length", "context_window", "exceed_context_size", "string_above_max_length", "tokens_limit_reached"}
	tooLongText = []string{
		"context length", "context window", "prompt is too long", "input is too long", "input token count", "too many tokens",
		"maximum prompt length", "maximum context", "too large for model",
	}
	filterWords = []string{"content_filter", "content_policy", "responsibleaipolicy", "data_inspection_failed", "content_moderation", "moderation_blocked", "prohibited_content"}
	quotaWords  = []string{"insufficient_quota", "billing", "credit", "quota_exceeded"}
	absentWords = []string{"model_not_found", "deploymentnotfound", "not_found_error", "model_not_exist"}
)

// says reports whether the code or type of f has one of words in it, or its message one of texts.
func says(f *fault.Error, words, texts []string) bool {
	word := strings.ToLower(f.Code + " " + f.Type)
	for _, w := range words {
		if strings.Contains(word, w) {
			return true
		}
	}
	message := strings.ToLower(f.Message)
	for _, t := range texts {
		if strings.Contains(message, t) {
			return true
		}
	}
	return false
}
