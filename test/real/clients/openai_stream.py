"""openai-python's .stream() helper: the accumulated message."""

import json
import os

from openai import DefaultHttpxClient, OpenAI

requests = []
seen = {"client": "openai-python .stream()", "errors": []}
try:
    client = OpenAI(
        base_url=os.environ["BASE_URL"],
        api_key=os.environ["API_KEY"],
        default_headers={"x-fairlead-stream": os.environ["STREAM_MODE"]},
        http_client=DefaultHttpxClient(event_hooks={"request": [requests.append]}, trust_env=False),
    )
    tool = {
        "type": "mcp",
        "server_label": "tools",
        "server_url": "fairlead/mcp/" + os.environ["MCP_SERVERS"],
        "require_approval": "never",
    }
    done = []
    with client.chat.completions.stream(
        model=os.environ["MODEL"],
        messages=[{"role": "user", "content": os.environ["PROMPT"]}],
        tools=[tool],
        stream_options={"include_usage": True},
    ) as stream:
        for event in stream:
            if event.type == "content.done":
                done.append(event.content)
        completion = stream.get_final_completion()
    choice = completion.choices[0]
    fields = getattr(choice.message, "provider_specific_fields", None) or {}
    seen |= {
        "text": choice.message.content,
        "role": choice.message.role,
        "finish": choice.finish_reason,
        "usage": {"input": completion.usage.prompt_tokens, "output": completion.usage.completion_tokens},
        "toolCalls": len(choice.message.tool_calls or []),
        "contentDone": done,
        "fields": sorted(fields),
        "results": fields.get("mcp_call_results", []),
    }
except Exception as error:  # the line is printed whatever happens
    seen["errors"].append(f"{type(error).__name__}: {error}")
seen["requests"] = len(requests)
print(json.dumps(seen))
