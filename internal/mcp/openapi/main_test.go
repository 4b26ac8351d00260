package openapi

import "github.com/fairlead/fairlead/internal/mcp"

var testServer = mcp.Server{Name: "api", Transport: "openapi", URL: "https://api.example.com/v1", Document: "testdata/shop.yaml"}
