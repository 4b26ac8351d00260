package bedrock

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/fairlead/fairlead/internal/eventstream"
)

// TestFrames writes frames with the SDK and reads them with the gateway's reader, and the other way round.
func TestFrames(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, r.IntN(n))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	values := []func() sdk.Value{
		func() sdk.Value { return sdk.BoolValue(r.IntN(2) == 0) },
		func() sdk.Value { return sdk.Int8Value(int8(r.Uint32())) },
		func() sdk.Value { return sdk.Int16Value(int16(r.Uint32())) },
		func() sdk.Value { return sdk.Int32Value(int32(r.Uint32())) },
		func() sdk.Value { return sdk.Int64Value(int64(r.Uint64())) },
		func() sdk.Value { return sdk.BytesValue(random(300)) },
		func() sdk.Value { return sdk.StringValue(random(300)) },
		func() sdk.Value { return sdk.TimestampValue(time.UnixMilli(int64(r.Uint32()))) },
	}
	var theirs, ours bytes.Buffer
	var list []sdk.Message
	for range 200 {
		m := sdk.Message{Payload: random(2000)}
		for i := range r.IntN(6) {
			value := values[r.IntN(len(values))]
			m.Headers.Set(string(rune('a'+i))+"-name", value())
		}
		if err := sdk.NewEncoder().Encode(&theirs, m); err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
	}
	stream := theirs.Bytes()
	frames := eventstream.NewReader(bytes.NewReader(stream), 1<<20)
	for i := range list {
		f, err := frames.Next()
		if err != nil || !bytes.Equal(f.Payload, list[i].Payload) || len(f.Headers) != len(list[i].Headers) {
			t.Fatalf("frame %d: %+v, %v", i, f, err)
		}
		ours.Write(eventstream.Append(nil, f.Headers, f.Payload))
	}
	if _, err := frames.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("behind the last frame: %v", err)
	}
	if !bytes.Equal(ours.Bytes(), stream) {
		t.Error("the gateway writes other bytes than the SDK")
	}
	for i := range list {
		m, err := sdk.NewDecoder().Decode(&ours, nil)
		if err != nil || !bytes.Equal(m.Payload, list[i].Payload) {
			t.Fatalf("the SDK reads frame %d: %v", i, err)
		}
		for _, h := range list[i].Headers {
			if got := m.Headers.Get(h.Name); got == nil || got.String() != h.Value.String() {
				t.Errorf("frame %d has %s: %v, not %v", i, h.Name, got, h.Value)
			}
		}
	}
}
