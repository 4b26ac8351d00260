package policy

import (
	"net/url"
	"path"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// function declares a function of texts.
func function(name string, result *cel.Type, args []*cel.Type, f func(args []string) ref.Val) cel.EnvOption {
	return cel.Function(name, cel.Overload(name+"_text", args, result, cel.FunctionBinding(func(given ...ref.Val) ref.Val {
		texts := make([]string, len(given))
		for i, g := range given {
			s, ok := g.(types.String)
			if !ok {
				return types.MaybeNoSuchOverloadErr(g)
			}
			texts[i] = string(s)
		}
		return f(texts)
	})))
}

// within reports whether a path is that of a folder or of something below it, when each .. in it is followed. It knows
// nothing of links. A backslash is a character of a name to some servers and ends one to others: the path must be within
// either way.
func within(name, folder string) bool {
	if strings.ContainsRune(name, 0) {
		return false
	}
	return below(name, folder) && below(strings.ReplaceAll(name, `\`, "/"), folder)
}

func below(name, folder string) bool {
	name, folder = path.Clean(name), path.Clean(folder)
	return name == folder || strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}

// host is the name of the host in a URL, in lower case and without the port. URLs that not all programs read alike are an
// error.
func host(text string) ref.Val {
	u, err := url.Parse(text)
	odd := strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f })
	if err != nil || odd || u.Hostname() == "" || u.User != nil {
		return types.NewErr("host: not a URL that names a host alone")
	}
	return types.String(strings.TrimSuffix(strings.ToLower(u.Hostname()), "."))
}
