package responses

import (
	"strings"

	"github.com/fairlead/fairlead/internal/fault"
	"github.com/fairlead/fairlead/internal/jsonedit"
	"github.com/fairlead/fairlead/internal/llm"
)

// readContent reads a text or a list of content parts.
func readContent(v []byte, param string) ([]llm.Part, error) {
	if text, ok := jsonedit.Unquote(v); ok {
		return []llm.Part{{Kind: "text", Text: text}}, nil
	}
	if jsonedit.Kind(v) != '[' {
		if jsonedit.IsNull(v) {
			return nil, nil
		}
		return nil, fault.Invalidf(param, "%s must be a text or a list of content parts", param)
	}
	var out []llm.Part
	for el := range jsonedit.Elements(v) {
		p, err := readPart(el, at(param, len(out)))
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func readPart(el []byte, param string) (llm.Part, error) {
	get := func(key string) string {
		s, _ := jsonedit.Unquote(jsonedit.Get(el, key))
		return s
	}
	switch kind := get("type"); kind {
	case "input_text", "output_text", "text", "summary_text", "reasoning_text":
		text, ok := jsonedit.Unquote(jsonedit.Get(el, "text"))
		if !ok {
			return llm.Part{}, fault.Invalidf(param+".text", "%s.text must be a string", param)
		}
		return llm.Part{Kind: "text", Text: text}, nil
	case "refusal":
		return llm.Part{Kind: "text", Text: get("refusal")}, nil
	case "input_image":
		return readMedia("image", get, "image_url", param)
	case "input_file":
		p, err := readMedia("file", get, "file_url", param)
		p.Name = get("filename")
		return p, err
	case "input_audio":
		data, _ := jsonedit.Unquote(jsonedit.Get(el, "input_audio", "data"))
		format, _ := jsonedit.Unquote(jsonedit.Get(el, "input_audio", "format"))
		if data == "" || format == "" {
			return llm.Part{}, fault.Invalidf(param+".input_audio", "%s.input_audio must have data and format", param)
		}
		return llm.Part{Kind: "audio", Data: data, MediaType: "audio/" + format}, nil
	case "":
		return llm.Part{}, fault.Invalidf(param+".type", "%s.type is missing", param)
	default:
		return llm.Part{}, fault.Invalidf(param+".type", "%s is a part of type %q, which the model that this request names cannot be given", param, kind)
	}
}

// readMedia reads an image or a file: by its data, as a data URL say, or by its address.
func readMedia(kind string, get func(string) string, address, param string) (llm.Part, error) {
	p := llm.Part{Kind: kind, Detail: get("detail")}
	url := get(address)
	if data := get("file_data"); kind == "file" && data != "" {
		url = data
		if !strings.HasPrefix(data, "data:") {
			p.Data = data
			return p, nil
		}
	}
	switch {
	case strings.HasPrefix(url, "data:"):
		media, data, ok := strings.Cut(url[len("data:"):], ",")
		media, base64 := strings.CutSuffix(media, ";base64")
		if !ok || !base64 {
			return p, fault.Invalidf(param, "%s holds a data URL that is not base64", param)
		}
		p.MediaType, p.Data = media, data
	case url != "":
		p.URI = url
	case get("file_id") != "":
		return p, fault.Invalidf(param+".file_id", "%s.file_id names a file that another provider keeps: send its data or its address", param)
	default:
		return p, fault.Invalidf(param+"."+address, "%s.%s is missing", param, address)
	}
	return p, nil
}

// textOf joins the text of parts, as one text; media are left out.
func textOf(parts []llm.Part) string {
	if len(parts) == 1 && parts[0].Kind == "text" {
		return parts[0].Text
	}
	var texts []string
	for i := range parts {
		if parts[i].Kind == "text" {
			texts = append(texts, parts[i].Text)
		}
	}
	return strings.Join(texts, "\n")
}
