package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// idleSessions are how many sessions of MCP clients are opened and left alone.
const idleSessions = 1000

// idle measures what a session of the older era costs that nobody uses, and one whose client listens for notifications besides,
// in KiB of resident memory of a gateway that does nothing else.
func (b *bench) idle(ctx context.Context, modelAddr, mcpAddr string) (session, listening float64, err error) {
	p, addr, err := b.gateway(ctx, modelAddr, mcpAddr)
	if err != nil {
		return 0, 0, err
	}
	defer p.stop()
	c := idleClient{url: "http://" + addr + "/mcp", http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}}
	defer c.close()
	for range 100 { // what the first ones cost is the program's
		if _, err := c.open(ctx); err != nil {
			return 0, 0, err
		}
	}
	before, err := p.settled()
	if err != nil {
		return 0, 0, err
	}
	var ids []string
	for range idleSessions {
		id, err := c.open(ctx)
		if err != nil {
			return 0, 0, err
		}
		ids = append(ids, id)
	}
	opened, err := p.settled()
	if err != nil {
		return 0, 0, err
	}
	for _, id := range ids {
		if err := c.listen(ctx, id); err != nil {
			return 0, 0, err
		}
	}
	heard, err := p.settled()
	return float64(opened-before) / idleSessions, float64(heard-opened) / idleSessions, err
}

// settled is the memory that is resident when it grows no more, in KiB.
func (p *process) settled() (kib int64, err error) {
	for last, same := int64(-1), 0; same < 3; {
		time.Sleep(100 * time.Millisecond)
		if kib, err = p.resident(); err != nil {
			return 0, err
		}
		if same++; kib > last {
			last, same = kib, 0
		}
	}
	return kib, nil
}

// resident is the memory that the process has resident now, in KiB.
func (p *process) resident() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	first, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	return strconv.ParseInt(first, 10, 64)
}

// idleClient opens sessions.
type idleClient struct {
	url     string
	http    *http.Client
	streams []io.Closer
}

func (c *idleClient) close() {
	for _, s := range c.streams {
		_ = s.Close()
	}
}

func (c *idleClient) send(ctx context.Context, method, id, body string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+clientKey)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if id != "" {
		r.Header.Set("Mcp-Session-Id", id)
		r.Header.Set("MCP-Protocol-Version", "2025-11-25")
	}
	resp, err := c.http.Do(r)
	if err == nil && resp.StatusCode/100 != 2 {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s: status %d", method, resp.StatusCode)
	}
	return resp, err
}

// open opens a session, and returns its id.
func (c *idleClient) open(ctx context.Context) (id string, err error) {
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"idle","version":"1"}}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
	} {
		resp, err := c.send(ctx, http.MethodPost, id, body)
		if err != nil {
			return "", err
		}
		if id == "" {
			id = resp.Header.Get("Mcp-Session-Id")
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return id, nil
}

// listen opens the stream of a session, and leaves it open.
func (c *idleClient) listen(ctx context.Context, id string) error {
	resp, err := c.send(ctx, http.MethodGet, id, "") //nolint:bodyclose // close does it
	if err == nil {
		c.streams = append(c.streams, resp.Body)
	}
	return err
}
