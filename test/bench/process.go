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
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is one that the bench has started.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
	log   *tail
}

// self is a command that runs this program in another role.
func self(ctx context.Context, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	cmd := exec.CommandContext(ctx, exe, args...) //nolint:gosec // it is this program
	cmd.Stderr = os.Stderr
	return cmd
}

func begin(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, ended: make(chan struct{}), log: &tail{}}
	if cmd.Stderr == nil {
		cmd.Stderr = p.log
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // the status of a process that was told to end says nothing
		close(p.ended)
	}()
	return p, nil
}

// tail keeps the end of what a process said.
type tail struct{ b bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	if t.b.Len() < 16<<10 {
		t.b.Write(p)
	}
	return len(p), nil
}

func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.ended:
	case <-time.After(3 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// role starts this program in a role that says its address first.
func (b *bench) role(ctx context.Context, args ...string) (*process, string, error) {
	cmd := self(ctx, args...)
	out, w, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	cmd.Stdout = w
	p, err := begin(cmd)
	_ = w.Close()
	if err != nil {
		_ = out.Close()
		return nil, "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = out.Close()
	if err != nil {
		p.stop()
		return nil, "", fmt.Errorf("%s: %w", args[0], err)
	}
	return p, strings.TrimSpace(line), nil
}

// listen takes a free port.
func listen() (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
}

// freePort is an address that nobody listens on at this moment.
func freePort() (string, error) {
	l, err := listen()
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// nginx starts nginx as a plain reverse proxy with one worker and connections kept to both sides.
func (b *bench) nginx(ctx context.Context, modelAddr, mcpAddr string) (*process, string, error) {
	exe, err := exec.LookPath("nginx")
	if err != nil {
		if exe = "/usr/sbin/nginx"; !exists(exe) {
			return nil, "", err
		}
	}
	addr, err := freePort()
	if err != nil {
		return nil, "", err
	}
	conf := strings.NewReplacer("DIR", b.dir, "LISTEN", addr, "MODEL", modelAddr, "MCP", mcpAddr).Replace(nginxConf)
	file := filepath.Join(b.dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, "", err
	}
	p, err := begin(exec.CommandContext(ctx, exe, "-p", b.dir, "-c", file, "-e", filepath.Join(b.dir, "nginx.log"))) //nolint:gosec // nginx
	if err != nil {
		return nil, "", err
	}
	return p, addr, p.listens(ctx, addr)
}

const nginxConf = `
daemon off;
worker_processes 1;
pid DIR/nginx.pid;
error_log DIR/nginx.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  client_max_body_size 64m; client_body_buffer_size 256k;
  keepalive_requests 100000000; keepalive_timeout 300s;
  upstream model { server MODEL; keepalive 256; keepalive_requests 100000000; }
  upstream mcp { server MCP; keepalive 256; keepalive_requests 100000000; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {
    listen LISTEN;
    location /plain/ { proxy_pass http://model; }
    location /mcp { proxy_pass http://mcp; }
    location /many { proxy_pass http://mcp; }
    location / { proxy_pass http://model; proxy_buffering off; }
  }
}
`

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// listens waits until something accepts connections at addr.
func (p *process) listens(ctx context.Context, addr string) error {
	for range 200 {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%w: %s", errEnded, p.log.b.String())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("it does not listen")
}

// gateway starts the gateway, with keys on.
func (b *bench) gateway(ctx context.Context, modelAddr, mcpAddr string) (*process, string, error) {
	if !exists(b.o.gateway) {
		return nil, "", fmt.Errorf("no gateway at %s: run make build", b.o.gateway)
	}
	addr, err := freePort()
	if err != nil {
		return nil, "", err
	}
	var conf strings.Builder
	fmt.Fprintf(&conf, "listen: %s\nmodels:\n", addr)
	for _, m := range []string{"plain", "stream", "tools"} {
		fmt.Fprintf(&conf, "  - {name: %s, provider: openai, model: bench-1, api_key: %s, base_url: \"http://%s/%s/v1\"}\n", m, modelKey, modelAddr, m)
	}
	fmt.Fprintf(&conf, "mcp_servers:\n  bench: {url: \"http://%s/mcp\", protocol: \"2025-11-25\", transport: http, list_ttl: 1h}\n", mcpAddr)
	fmt.Fprintf(&conf, "  echo: {url: \"http://%s/mcp\", protocol: \"2026-07-28\", transport: http, list_ttl: 1h}\n", mcpAddr)
	fmt.Fprintf(&conf, "  many: {url: \"http://%s/many\", protocol: \"2026-07-28\", transport: http, list_ttl: 1h}\n", mcpAddr)
	fmt.Fprintf(&conf, "keys:\n  - {name: bench, key: %s, mcp_servers: [\"*\"]}\n", clientKey)
	file := filepath.Join(b.dir, "fairlead.yaml")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		return nil, "", err
	}
	p, err := begin(exec.CommandContext(ctx, b.o.gateway, "serve", "--config", file)) //nolint:gosec // the user's choice
	if err != nil {
		return nil, "", err
	}
	return p, addr, p.listens(ctx, addr)
}

// cpu is the time that the process, all its threads and its children have run, to the nanosecond.
func (p *process) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range family(p.cmd.Process.Pid) {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || len(files) == 0 {
			return 0, errors.New("it has ended, or this kernel does not count (/proc/PID/task/*/schedstat)")
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				continue // the thread has ended
			}
			ns, _, _ := strings.Cut(string(b), " ")
			n, err := strconv.ParseInt(ns, 10, 64)
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n)
		}
	}
	return sum, nil
}

// family is a process and its children.
func family(pid int) []int {
	all := []int{pid}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return all
	}
	for w := range strings.FieldsSeq(string(b)) {
		if n, err := strconv.Atoi(w); err == nil {
			all = append(all, family(n)...)
		}
	}
	return all
}

// peak is the most memory that the process has had resident, in KiB.
func (p *process) peak() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
		}
	}
	return 0, errors.New("no VmHWM")
}
