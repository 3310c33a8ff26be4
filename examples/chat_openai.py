"""Ask the base model and a tuned one the same, through the `openai` client.

    python examples/chat_openai.py JOB [PROMPT] [--url http://127.0.0.1:8080/v1]

Tuned models are called `<job>@latest`, or by one version: `<job>:v15`.
"""

import argparse

from openai import OpenAI


def ask(client: OpenAI, model: str, prompt: str) -> str:
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": prompt}],
        max_tokens=48,
        temperature=0,
        stream=True,
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def main(url: str, key: str, job: str, prompt: str) -> None:
    client = OpenAI(base_url=url, api_key=key)
    tuned = job if ":" in job or "@" in job else f"{job}@latest"
    bases = [model.id for model in client.models.list() if not set(":@") & set(model.id)]
    for model in (*bases[:1], tuned):
        print(f"{model}\n    {ask(client, model, prompt)}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", help="a job's id, or the name of one of its adapters")
    parser.add_argument("prompt", nargs="?", default="torch.relu(x) * torch.sigmoid(y)")
    parser.add_argument("--url", default="http://127.0.0.1:8080/v1")
    parser.add_argument("--key", default="none", help="an API key, where the gateway asks for one")
    options = parser.parse_args()
    main(options.url, options.key, options.job, options.prompt)
