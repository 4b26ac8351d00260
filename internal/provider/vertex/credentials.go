package vertex

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2/google"
)

const scope = "https://www.googleapis.com/auth/cloud-platform"

// kinds are the kinds of credentials that may stand in the config.
var kinds = []google.CredentialsType{
	google.ServiceAccount, google.AuthorizedUser, google.ExternalAccount, google.ExternalAccountAuthorizedUser, google.ImpersonatedServiceAccount,
}

// file is what is read of credentials beside what Google's library reads.
type file struct {
	Type    google.CredentialsType `json:"type"`
	Project string                 `json:"project_id"`
	Quota   string                 `json:"quota_project_id"`
}

// readFile reads credentials. The error shows nothing of them.
func readFile(credentials string) (f file, err error) {
	if json.Unmarshal([]byte(credentials), &f) != nil {
		return f, errors.New("are no JSON object of Google's")
	}
	if !slices.Contains(kinds, f.Type) {
		return f, fmt.Errorf("must be of one of the types %v", kinds)
	}
	return f, nil
}

// fetch gets a token. The credentials are read anew each time: a file may have been replaced since the last one.
func (t *tokens) fetch(ctx context.Context) (*token, error) {
	found, err := t.find(ctx)
	if err != nil {
		return nil, err
	}
	got, err := found.TokenSource.Token()
	if err != nil {
		return nil, err
	}
	f, _ := readFile(string(found.JSON)) // a machine's own credentials have none
	return newToken(got.AccessToken, f.Quota, got.Expiry), nil
}

func (t *tokens) find(ctx context.Context) (*google.Credentials, error) {
	if t.credentials.Empty() {
		return google.FindDefaultCredentials(ctx, scope)
	}
	f, err := readFile(t.credentials.Reveal())
	if err != nil {
		return nil, err
	}
	return google.CredentialsFromJSONWithType(ctx, []byte(t.credentials.Reveal()), f.Type, scope)
}
