package config

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A file is looked at when its folder has been quiet for settle, and in a folder that is never quiet every settleMost.
const (
	settle     = 100 * time.Millisecond
	settleMost = time.Second
)

// Watch calls onChange, one call at a time, whenever the content of the file at path has become another one, until ctx
// ends. It follows a file that is replaced, and symbolic links that are turned to another file, as Kubernetes does with
// mounted config. A file that is gone or cannot be read is no change. Files that ${file:…} reads are not watched.
//
// It returns nil when ctx ends, and an error when the file cannot be watched.
func Watch(ctx context.Context, path string, onChange func()) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("cannot watch the config: %w", err)
	}
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("cannot watch the config: %w", err)
	}
	defer func() { _ = fs.Close() }()
	w := &watch{path: path, fs: fs, folders: map[string]bool{}}
	if err := w.follow(); err != nil {
		return fmt.Errorf("cannot watch the config: %w", err)
	}
	w.content, _ = digest(path)
	return w.run(ctx, onChange)
}

type watch struct {
	path    string
	fs      *fsnotify.Watcher
	folders map[string]bool // watched now
	content [sha256.Size]byte
}

func (w *watch) run(ctx context.Context, onChange func()) error {
	quiet := time.NewTimer(settle) // once at the start: the file may have changed while the watch was set up
	defer quiet.Stop()
	first := time.Now()
	pending := true
	event := func() {
		if !pending {
			first, pending = time.Now(), true
		}
		quiet.Reset(min(settle, max(0, time.Until(first.Add(settleMost)))))
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-w.fs.Events:
			if !ok {
				return nil
			}
			event()
		case _, ok := <-w.fs.Errors: // events were lost
			if !ok {
				return nil
			}
			event()
		case <-quiet.C:
			pending = false
			if w.changed() {
				onChange()
			}
		}
	}
}

// changed reports whether the content is another one than at the last call.
func (w *watch) changed() bool {
	_ = w.follow() // a link that leads nowhere for now is followed at the next event
	sum, err := digest(w.path)
	if err != nil || sum == w.content {
		return false
	}
	w.content = sum
	return true
}

// follow watches the folders of the file and of every symbolic link on the way to it, and no others.
func (w *watch) follow() error {
	now := map[string]bool{}
	var failed error
	for p, links := w.path, 0; links < 40; links++ {
		folder, err := filepath.EvalSymlinks(filepath.Dir(p))
		if err != nil {
			failed = err
			break
		}
		now[folder] = true
		target, err := os.Readlink(p)
		if err != nil {
			break // not a link: the file itself
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(p), target)
		}
		p = target
	}
	for folder := range now {
		if !w.folders[folder] {
			if err := w.fs.Add(folder); err != nil {
				failed = err
				continue
			}
			w.folders[folder] = true
		}
	}
	for folder := range w.folders {
		if !now[folder] {
			_ = w.fs.Remove(folder) // gone already when the folder is
			delete(w.folders, folder)
		}
	}
	return failed
}

func digest(path string) ([sha256.Size]byte, error) {
	data, err := readBounded(path, maxFile+1)
	return sha256.Sum256(data), err
}
