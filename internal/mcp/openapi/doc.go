// Package openapi makes an MCP server of an HTTP API that an OpenAPI document describes: a tool for each operation. It reads
// OpenAPI 3.0 and 3.1, as JSON or YAML.
//
// What a document says is taken as a stranger's word. It is read within bounds, its references lead nowhere but into itself, and
// it decides neither where requests go (the config does, or the place that the document came from) nor which credentials they
// carry (those are of the config's headers and of the caller). Arguments are written into a request as the parameter's style
// says, exactly, or the call is refused with an error that names the parameter, before anything is sent.
//
// Sources: https://spec.openapis.org/oas/v3.0.4.html, https://spec.openapis.org/oas/v3.1.1.html (styles in "Style Values" and
// its Appendix C), RFC 6570, RFC 3986 and, for forms, https://url.spec.whatwg.org/#urlencoded-serializing.
package openapi
