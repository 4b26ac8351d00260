package config

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// watching starts a watch of path and returns a function that waits for one call of onChange.
func watching(t *testing.T, path string) (wait func(what string), calls chan string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	calls = make(chan string, 100)
	done := make(chan error, 1)
	go func() {
		done <- Watch(ctx, path, func() {
			data, _ := os.ReadFile(path)
			calls <- string(data)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return func(what string) {
		t.Helper()
		for {
			select {
			case got := <-calls:
				if got == what {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("no call for %q", what)
			}
		}
	}, calls
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// started writes into path until the watch has seen it, so that the test knows that it is up.
func started(t *testing.T, path string, calls chan string) {
	t.Helper()
	for i := range 100 {
		write(t, path, "start"+string(rune('a'+i%26)))
		select {
		case <-calls:
			return
		case <-time.After(400 * time.Millisecond):
		}
	}
	t.Fatal("the watch does not start")
}

func TestWatchWritesAndReplacements(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fairlead.yaml")
	write(t, path, "one")
	wait, calls := watching(t, path)
	started(t, path, calls)

	write(t, path, "two")
	wait("two")

	other := filepath.Join(dir, ".fairlead.yaml.tmp")
	write(t, other, "three")
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	wait("three")

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "other.yaml"), "not ours")
	write(t, path, "four")
	wait("four")

	write(t, path, "four") // the same content is no change
	write(t, path, "five")
	wait("five")
	select {
	case got := <-calls:
		t.Errorf("a call for %q", got)
	default:
	}
}

func TestWatchFollowsKubernetesLinks(t *testing.T) {
	dir := t.TempDir()
	for _, v := range []string{"one", "two", "three"} {
		if err := os.Mkdir(filepath.Join(dir, ".."+v), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, ".."+v, "fairlead.yaml"), v)
	}
	link := func(target, name string) {
		t.Helper()
		tmp := filepath.Join(dir, "tmp")
		if err := os.Symlink(target, tmp); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..one", "..data")
	link("..data/fairlead.yaml", "fairlead.yaml")

	path := filepath.Join(dir, "fairlead.yaml")
	wait, calls := watching(t, path)
	started(t, path, calls)
	link("..two", "..data")
	wait("two")
	link("..three", "..data")
	wait("three")
	write(t, filepath.Join(dir, "..three", "fairlead.yaml"), "in place")
	wait("in place")
}

func TestWatchNeedsAFolder(t *testing.T) {
	if err := Watch(t.Context(), filepath.Join(t.TempDir(), "none", "f.yaml"), func() {}); err == nil {
		t.Error("a file in no folder is watched")
	}
}
