package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tally is what a load says at its end.
type tally struct {
	count, errors int
	p50           time.Duration
	first         string // error
}

// load runs the load for one slice, in a process of its own.
func (b *bench) load(ctx context.Context, addr, file, want string) (t tally, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.o.slice+20*time.Second)
	defer cancel()
	cmd := self(ctx, "role-load", addr, file, want, b.o.slice.String(), strconv.Itoa(b.o.conns))
	out, err := cmd.Output()
	if err != nil {
		return t, err
	}
	_, err = fmt.Sscanf(string(out), "%d %d %d %q", &t.count, &t.errors, &t.p50, &t.first)
	return t, err
}

// maxRequests bounds a slice beside its time.
const maxRequests = 2_000_000

// load is the process: so many connections, each sending the request and reading the reply, again and again.
func load(args []string) error {
	if len(args) != 5 {
		return errors.New("wants address, file, text, time, connections")
	}
	request, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(args[3])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[4])
	if err != nil {
		return err
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		took []time.Duration
		sum  tally
	)
	end := time.Now().Add(d)
	for range n {
		wg.Go(func() {
			times, err := repeat(args[0], request, args[2], end, maxRequests/n)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, times...)
			if err != nil {
				sum.errors++
				sum.first = err.Error()
			}
		})
	}
	wg.Wait()
	if len(took) > 0 {
		slices.Sort(took)
		sum.p50 = took[len(took)/2]
	}
	_, err = fmt.Printf("%d %d %d %q\n", len(took), sum.errors, sum.p50, sum.first)
	return err
}

// repeat is one connection. All replies must be like the first, which must have the text in it.
func repeat(addr string, request []byte, want string, end time.Time, limit int) (times []time.Duration, err error) {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(end.Add(10 * time.Second)); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(c, 64<<10)
	var first bytes.Buffer
	keep := io.Writer(&first)
	times = make([]time.Duration, 0, 1<<14)
	for now := time.Now(); now.Before(end) && len(times) < limit; {
		if _, err := c.Write(request); err != nil {
			return times, err
		}
		status, err := readReply(r, keep)
		if err == nil && status != 200 {
			err = fmt.Errorf("status %d", status)
		}
		if err == nil && len(times) == 0 && !strings.Contains(first.String(), want) {
			err = fmt.Errorf("no %q in the reply", want)
		}
		if err != nil {
			return times, fmt.Errorf("%w: %.300s", err, first.String())
		}
		keep = io.Discard
		t := time.Now()
		times = append(times, t.Sub(now))
		now = t
	}
	return times, nil
}

// readReply reads one reply and copies its body to w.
func readReply(r *bufio.Reader, w io.Writer) (status int, err error) {
	length, chunked := int64(-1), false
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			if len(line) < 12 {
				return 0, errors.New("bad status line")
			}
			status, err = strconv.Atoi(string(line[9:12]))
		case len(line) == 0:
			return status, readBody(r, w, length, chunked)
		case hasPrefixFold(line, "content-length:"):
			length, err = strconv.ParseInt(string(bytes.TrimSpace(line[15:])), 10, 64)
		case hasPrefixFold(line, "transfer-encoding: chunked"):
			chunked = true
		}
		if err != nil {
			return 0, err
		}
	}
}

func hasPrefixFold(b []byte, s string) bool {
	return len(b) >= len(s) && bytes.EqualFold(b[:len(s)], []byte(s))
}

func readBody(r *bufio.Reader, w io.Writer, length int64, chunked bool) error {
	if !chunked {
		if length < 0 {
			return errors.New("a reply without a length")
		}
		_, err := io.CopyN(w, r, length)
		return err
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 64)
		if err != nil {
			return err
		}
		if n > 0 {
			if _, err := io.CopyN(w, r, n); err != nil {
				return err
			}
		}
		if _, err := r.Discard(2); err != nil || n == 0 {
			return err
		}
	}
}
