package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/fairlead/fairlead/internal/config"
)

var errNotYet = errors.New("not built yet")

func configOptions() config.Options { return config.Options{} }

func serve(f *flag.FlagSet) act {
	path := f.String("config", "", "the config `FILE`; without one, providers for whichever API keys the environment holds")
	listen := f.String("listen", "", "listen on `ADDR` (host:port) instead of the config's address")
	return func(ctx context.Context, _, log io.Writer) error {
		c, err := load(*path, *listen)
		if err != nil {
			return err
		}
		logger(log).InfoContext(ctx, "config", "listen", c.Listen)
		return errNotYet
	}
}

func demonstrate(f *flag.FlagSet) act {
	f.Bool("once", false, "end after the answer")
	return func(context.Context, io.Writer, io.Writer) error { return errNotYet }
}

func tools(f *flag.FlagSet) act {
	path := f.String("config", "", "the config `FILE`")
	f.Bool("json", false, "print JSON, one object")
	return func(context.Context, io.Writer, io.Writer) error {
		if *path == "" {
			return fmt.Errorf("%w: --config FILE is missing", errUsage)
		}
		if _, err := load(*path, ""); err != nil {
			return err
		}
		return errNotYet
	}
}

// load returns the config at path, or the default one, with listen as its address unless that is empty.
func load(path, listen string) (*config.Config, error) {
	c := config.Default()
	if path != "" {
		var err error
		if c, err = config.Load(path, configOptions()); err != nil {
			return nil, err
		}
	}
	if listen != "" {
		return c.WithListen(listen)
	}
	return c, nil
}
