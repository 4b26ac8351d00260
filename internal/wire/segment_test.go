package wire_test

import (
	"net/url"
	"testing"

	"github.com/fairlead/fairlead/internal/wire"
)

func TestSegment(t *testing.T) {
	for s, want := range map[string]string{
		"":                              "",
		"us.amazon.nova-pro-v1:0":       "us.amazon.nova-pro-v1%3A0",
		"arn:aws:bedrock:x:1:a/b~c_d é": "arn%3Aaws%3Abedrock%3Ax%3A1%3Aa%2Fb~c_d%20%C3%A9",
		"a/../b?c#d%2F+&=@$":            "a%2F..%2Fb%3Fc%23d%252F%2B%26%3D%40%24",
	} {
		got := wire.Segment(s)
		if back, err := url.PathUnescape(got); got != want || err != nil || back != s {
			t.Errorf("%q becomes %q, and %q again, %v", s, got, back, err)
		}
	}
}
