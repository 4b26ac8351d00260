package upstream

import (
	"context"
	"time"
)

// dialModern opens a session of the stateless era.
func (d *Dialer) dialModern(ctx context.Context, t target, timeout time.Duration) (*session, error) {
	s, w := d.webSession(t)
	w.rev = revModern
	if err := s.discover(ctx, timeout); err != nil {
		_ = s.Close()
		return nil, err
	}
	known, _ := d.remembered(t.URL)
	d.remember(t.URL, era{only: known.only})
	s.listen(w.spawn)
	return s, nil
}

// adoptModern returns a session of the stateless era with a server that knows neither discovery nor the handshake.
func (d *Dialer) adoptModern(t target) *session {
	s, w := d.webSession(t)
	s.rev, w.rev, s.caps = revModern, revModern, []byte(`{"tools":{}}`)
	return s
}

// dialLegacy opens a session by the handshake.
func (d *Dialer) dialLegacy(ctx context.Context, t target) (*session, error) {
	s, w := d.webSession(t)
	if err := s.initialize(ctx, t.legacyRevision()); err != nil {
		_ = s.Close()
		return nil, err
	}
	if t.Client != nil {
		w.stand() // a server may ask there too
		w.stands(ctx)
		return s, nil
	}
	d.remember(t.URL, era{legacy: true})
	if s.tells() {
		w.stand()
	}
	return s, nil
}

// standTime bounds how long a session waits for the server's own stream. Servers that hold back its beginning are not waited
// for longer.
const standTime = time.Second

// stands waits until the server's own stream is open, or will not be: what a server sends while there is none is lost.
func (t *web) stands(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, standTime)
	defer cancel()
	select {
	case <-t.standing:
	case <-ctx.Done():
	}
}

// spawn runs f, which ends with the session.
func (t *web) spawn(f func()) { t.wg.Go(f) }
