package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/fairlead/fairlead/internal/app"
)

func serveMCP(f *flag.FlagSet) act {
	path := f.String("config", "", "the config `FILE`")
	key := f.String("key", "", "the `NAME` of a key of the config, whose servers are served; by default all are")
	return func(ctx context.Context, out, log io.Writer) error {
		if *path == "" {
			return fmt.Errorf("%w: --config FILE is missing", errUsage)
		}
		cfg, err := app.LoadConfig(app.Options{Path: *path, Getenv: os.Getenv})
		if err != nil {
			return err
		}
		l, _, flush := logger(log, slog.LevelWarn)
		defer flush()
		v, _ := built()
		a, err := app.Open(cfg, app.Options{Version: v, Log: l})
		if err != nil {
			return err
		}
		defer a.Close()
		return a.ServeStdio(ctx, *key, os.Stdin, out)
	}
}
