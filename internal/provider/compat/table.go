package compat

import "github.com/fairlead/fairlead/internal/wire"

// rows is the table. A vendor is one row; what it does differently is a column of wire.Quirks, never a branch in code.
// Local servers have the address that they listen on by default. A row names the wires beside chat that the vendor's own
// documentation names for this address; nothing is known of what runs behind openai-compatible, so that it takes any.
var rows = []Row{
	{
		Name: "openai", Title: "OpenAI", BaseURL: "https://api.openai.com/v1",
		KeyEnv: "OPENAI_API_KEY", BaseEnv: "OPENAI_BASE_URL", NeedKey: true,
		Wires: []string{responses},
	},
	{
		Name: "groq", Title: "Groq", BaseURL: "https://api.groq.com/openai/v1", KeyEnv: "GROQ_API_KEY", NeedKey: true,
		Wires:  []string{responses},
		Quirks: wire.Quirks{UsageMember: "x_groq.usage", Replay: []string{"reasoning"}},
	},
	{ // its thinking models answer 400 when a tool turn comes back without its reasoning
		Name: "deepseek", Title: "DeepSeek", BaseURL: "https://api.deepseek.com/v1", KeyEnv: "DEEPSEEK_API_KEY", NeedKey: true,
		Quirks: wire.Quirks{
			Replay:       []string{"reasoning_content"},
			RenameParams: map[string]string{"max_completion_tokens": "max_tokens"},
		},
	},
	{
		Name: "xai", Title: "xAI", BaseURL: "https://api.x.ai/v1", KeyEnv: "XAI_API_KEY", NeedKey: true,
		Wires:  []string{responses},
		Quirks: wire.Quirks{ContentRequired: true},
	},
	{ // 422 on members that it does not know: those that only advise are left out
		Name: "mistral", Title: "Mistral AI", BaseURL: "https://api.mistral.ai/v1", KeyEnv: "MISTRAL_API_KEY", NeedKey: true,
		Quirks: wire.Quirks{
			NoStreamUsage: true,
			DropParams:    []string{"stream_options", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier", "store", "verbosity"},
			RenameParams:  map[string]string{"max_completion_tokens": "max_tokens", "seed": "random_seed"},
			ForceWord:     "any",
			CallIDLen:     9,
			Replay:        []string{},
		},
	},
	{
		Name: "together", Title: "Together AI", BaseURL: "https://api.together.xyz/v1", KeyEnv: "TOGETHER_API_KEY", NeedKey: true,
		Quirks: wire.Quirks{NoChoiceNone: true, RenameParams: map[string]string{"max_completion_tokens": "max_tokens"}, TopK: true, ThinkMarks: true},
	},
	{
		Name: "fireworks", Title: "Fireworks AI", BaseURL: "https://api.fireworks.ai/inference/v1", KeyEnv: "FIREWORKS_API_KEY", NeedKey: true,
		Wires:  []string{responses},
		Quirks: wire.Quirks{NoStreamUsage: true, TopK: true, ThinkMarks: true},
	},
	{
		Name: "openrouter", Title: "OpenRouter", BaseURL: "https://openrouter.ai/api/v1", KeyEnv: "OPENROUTER_API_KEY", NeedKey: true,
		Wires:  []string{responses, messages},
		Quirks: wire.Quirks{Replay: []string{"reasoning_details"}, TopK: true},
	},
	{
		Name: "cerebras", Title: "Cerebras", BaseURL: "https://api.cerebras.ai/v1", KeyEnv: "CEREBRAS_API_KEY", NeedKey: true,
		Quirks: wire.Quirks{StrictSchema: true},
	},
	{
		Name: "perplexity", Title: "Perplexity", BaseURL: "https://api.perplexity.ai", KeyEnv: "PERPLEXITY_API_KEY", NeedKey: true,
		Quirks: wire.Quirks{NoStreamUsage: true, DropParams: []string{"stream_options"}, RenameParams: map[string]string{"max_completion_tokens": "max_tokens"}, TopK: true},
	},
	{Name: "nvidia", Title: "NVIDIA NIM", BaseURL: "https://integrate.api.nvidia.com/v1", KeyEnv: "NVIDIA_API_KEY", NeedKey: true},

	{
		Name: "moonshot", Title: "Moonshot AI", BaseURL: "https://api.moonshot.ai/v1", KeyEnv: "MOONSHOT_API_KEY", NeedKey: true,
		Quirks: wire.Quirks{RenameParams: map[string]string{"max_completion_tokens": "max_tokens"}},
	},
	{
		Name: "zai", Title: "Z.ai", BaseURL: "https://api.z.ai/api/paas/v4", KeyEnv: "ZAI_API_KEY", NeedKey: true,
		Quirks: wire.Quirks{RenameParams: map[string]string{"max_completion_tokens": "max_tokens"}},
	},
	{Name: "dashscope", Title: "Alibaba Cloud Model Studio", BaseURL: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", KeyEnv: "DASHSCOPE_API_KEY", NeedKey: true},
	{Name: "minimax", Title: "MiniMax", BaseURL: "https://api.minimax.io/v1", KeyEnv: "MINIMAX_API_KEY", NeedKey: true},
	{Name: "volcengine", Title: "Volcengine Ark", BaseURL: "https://ark.cn-beijing.volces.com/api/v3", KeyEnv: "ARK_API_KEY", NeedKey: true, Wires: []string{responses}},
	{Name: "siliconflow", Title: "SiliconFlow", BaseURL: "https://api.siliconflow.com/v1", KeyEnv: "SILICONFLOW_API_KEY", NeedKey: true},
	{Name: "upstage", Title: "Upstage", BaseURL: "https://api.upstage.ai/v1", KeyEnv: "UPSTAGE_API_KEY", NeedKey: true},
	{Name: "ai21", Title: "AI21 Labs", BaseURL: "https://api.ai21.com/studio/v1", KeyEnv: "AI21_API_KEY", NeedKey: true},
	{Name: "deepinfra", Title: "DeepInfra", BaseURL: "https://api.deepinfra.com/v1/openai", KeyEnv: "DEEPINFRA_API_KEY", NeedKey: true},
	{Name: "sambanova", Title: "SambaNova", BaseURL: "https://api.sambanova.ai/v1", KeyEnv: "SAMBANOVA_API_KEY", NeedKey: true},
	{Name: "nebius", Title: "Nebius Token Factory", BaseURL: "https://api.tokenfactory.nebius.com/v1", KeyEnv: "NEBIUS_API_KEY", NeedKey: true},
	{Name: "novita", Title: "Novita AI", BaseURL: "https://api.novita.ai/openai/v1", KeyEnv: "NOVITA_API_KEY", NeedKey: true},
	{Name: "hyperbolic", Title: "Hyperbolic", BaseURL: "https://api.hyperbolic.xyz/v1", KeyEnv: "HYPERBOLIC_API_KEY", NeedKey: true},
	{Name: "baseten", Title: "Baseten", BaseURL: "https://inference.baseten.co/v1", KeyEnv: "BASETEN_API_KEY", NeedKey: true},
	{Name: "friendli", Title: "FriendliAI", BaseURL: "https://api.friendli.ai/serverless/v1", KeyEnv: "FRIENDLI_TOKEN", NeedKey: true},
	{Name: "chutes", Title: "Chutes", BaseURL: "https://llm.chutes.ai/v1", KeyEnv: "CHUTES_API_KEY", NeedKey: true},
	{Name: "venice", Title: "Venice", BaseURL: "https://api.venice.ai/api/v1", KeyEnv: "VENICE_API_KEY", NeedKey: true},
	{Name: "vercel", Title: "Vercel AI Gateway", BaseURL: "https://ai-gateway.vercel.sh/v1", KeyEnv: "AI_GATEWAY_API_KEY", NeedKey: true, Wires: []string{responses, messages}},
	// The tokens of these three open more than models: that one is in the environment is no wish to use them here.
	{Name: "huggingface", Title: "Hugging Face", BaseURL: "https://router.huggingface.co/v1", NeedKey: true, Wires: []string{responses}},
	{Name: "scaleway", Title: "Scaleway", BaseURL: "https://api.scaleway.ai/v1", NeedKey: true},
	{Name: "github", Title: "GitHub Models", BaseURL: "https://models.github.ai/inference", NeedKey: true},

	// On one's own machine.
	{ // its OpenAI form knows the bound of an answer by its old name only
		Name: "ollama", Title: "Ollama", BaseURL: "http://127.0.0.1:11434/v1",
		Wires:  []string{responses, messages},
		Quirks: wire.Quirks{RenameParams: map[string]string{"max_completion_tokens": "max_tokens"}},
	},
	{Name: "vllm", Title: "vLLM", BaseURL: "http://127.0.0.1:8000/v1", Quirks: wire.Quirks{TopK: true}, Wires: []string{responses, messages}},
	{
		Name: "lmstudio", Title: "LM Studio", BaseURL: "http://127.0.0.1:1234/v1",
		Wires:  []string{responses, messages},
		Quirks: wire.Quirks{RenameParams: map[string]string{"max_completion_tokens": "max_tokens"}, TopK: true},
	},
	{Name: "llamacpp", Title: "llama.cpp", BaseURL: "http://127.0.0.1:8080/v1", Quirks: wire.Quirks{TopK: true}, Wires: []string{responses, messages}},
	{Name: "sglang", Title: "SGLang", BaseURL: "http://127.0.0.1:30000/v1", Quirks: wire.Quirks{TopK: true}, Wires: []string{responses}},
	{Name: "openai-compatible", Title: "any server that speaks one of the wires", Wires: []string{responses, messages}},
}
