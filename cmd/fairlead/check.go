package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/fairlead/fairlead/internal/app"
	"github.com/fairlead/fairlead/internal/config"
)

func check(f *flag.FlagSet) act {
	path := f.String("config", "", "the config `FILE`")
	return func(_ context.Context, out, _ io.Writer) error {
		if *path == "" {
			return fmt.Errorf("%w: --config FILE is missing", errUsage)
		}
		_, err := config.Load(*path, app.ConfigOptions(os.Getenv))
		if m, ok := errors.AsType[*config.Mistakes](err); ok {
			_, _ = fmt.Fprintln(out, m)
			return errTold
		}
		if err == nil {
			_, err = fmt.Fprintf(out, "%s: no mistakes\n", *path)
		}
		return err
	}
}
