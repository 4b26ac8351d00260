package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// What make build tells the linker. A plain go build leaves them empty, and Go's own record of the build is used.
var version, commit string

func showVersion(*flag.FlagSet) act {
	return func(_ context.Context, out, _ io.Writer) error {
		v, c := built()
		_, err := fmt.Fprintf(out, "fairlead %s %s commit %s\n", v, runtime.Version(), c)
		return err
	}
}

// built returns version and commit of this binary.
func built() (string, string) {
	var v, c string
	if info, ok := debug.ReadBuildInfo(); ok {
		if v = info.Main.Version; v == "(devel)" {
			v = ""
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				c = s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return cmp.Or(version, v, "dev"), cmp.Or(commit, c, "unknown")
}
