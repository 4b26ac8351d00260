package providertest

import (
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The keywords that the two forms of schemas have: Google's own, after OpenAPI, and the documented subset of JSON Schema
// (https://ai.google.dev/api/caching#Schema, https://ai.google.dev/api/generate-content#v1beta.GenerationConfig).
var (
	openAPIKeywords = []string{
		"type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required", "minProperties",
		"maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering", "default", "items", "minimum", "maximum",
	}
	jsonKeywords = []string{
		"$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items", "prefixItems", "minItems", "maxItems",
		"minimum", "maximum", "anyOf", "oneOf", "properties", "additionalProperties", "required", "propertyOrdering",
	}
)

// checkOpenAPI refuses keywords that Google's own form of schemas lacks.
func checkOpenAPI(schema jsontext.Value, at string) *refusal {
	return schemaChecker{openAPIKeywords}.check(schema, at)
}

// checkJSONSchema refuses keywords that the subset of JSON Schema lacks.
func checkJSONSchema(schema jsontext.Value, at string) *refusal {
	return schemaChecker{jsonKeywords}.check(schema, at)
}

type schemaChecker struct{ known []string }

func (c schemaChecker) check(schema jsontext.Value, at string) *refusal {
	var members map[string]jsontext.Value
	if json.Unmarshal(schema, &members) != nil {
		return refusef("tools", "Invalid value at '%s': a schema must be an object", at)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(c.known, name) {
			return refusef("tools", "Invalid JSON payload received. Unknown name %q at '%s': Cannot find field.", name, at)
		}
		if _, ref := members["$ref"]; ref && name[0] != '$' {
			return refusef("tools", "Invalid schema at '%s': beside $ref no other properties may be set", at)
		}
		if bad := c.member(name, members[name], at+"."+name); bad != nil {
			return bad
		}
	}
	var required []string
	if json.Unmarshal(members["required"], &required) == nil {
		var properties map[string]jsontext.Value
		_ = json.Unmarshal(members["properties"], &properties)
		for _, name := range required {
			if _, ok := properties[name]; !ok {
				return refusef("tools", "* GenerateContentRequest.%s.required[0]: property is not defined", at)
			}
		}
	}
	return nil
}

// member checks the schemas in a keyword's value.
func (c schemaChecker) member(name string, v jsontext.Value, at string) *refusal {
	switch name {
	case "items":
		return c.check(v, at)
	case "additionalProperties":
		if v.Kind() == '{' {
			return c.check(v, at)
		}
	case "properties", "$defs":
		var named map[string]jsontext.Value
		if json.Unmarshal(v, &named) != nil {
			return refusef("tools", "Invalid value at '%s'", at)
		}
		return c.all(slices.Collect(maps.Values(named)), at)
	case "anyOf", "oneOf", "prefixItems":
		var list []jsontext.Value
		if json.Unmarshal(v, &list) != nil || len(list) == 0 {
			return refusef("tools", "Invalid value at '%s'", at)
		}
		return c.all(list, at)
	case "enum":
		var list []jsontext.Value
		if json.Unmarshal(v, &list) != nil || slices.ContainsFunc(list, func(e jsontext.Value) bool { return e.Kind() != '"' && e.Kind() != '0' }) {
			return refusef("tools", "Invalid value at '%s' (TYPE_STRING)", at)
		}
	}
	return nil
}

func (c schemaChecker) all(list []jsontext.Value, at string) *refusal {
	for _, s := range list {
		if bad := c.check(s, at); bad != nil {
			return bad
		}
	}
	return nil
}
