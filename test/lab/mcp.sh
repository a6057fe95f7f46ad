#!/usr/bin/env bash
# The tools as the official Python client and the inspector's command line see them, outside CI: both come with many
# packages. It takes Python and npm.
#
#     bash test/lab/mcp.sh [PROGRAM]
set -euo pipefail
program=$(realpath "${1:-target/release/resource-matrix-synapse}")
lab=$(mktemp -d)
trap '[[ -z ${served:-} ]] || kill "$served"; rm -rf -- "$lab"' EXIT
python3 -m venv "$lab/venv" && "$lab/venv/bin/pip" install --quiet mcp==2.3.0
"$program" --data-dir "$lab/data" config set server.name lab.example >/dev/null
"$program" --data-dir "$lab/data" mcp --http 18765 2>/dev/null &
served=$!
until [[ -s $lab/data/secrets/mcp_token ]]; do sleep 0.1; done
"$lab/venv/bin/python" - "$program" "$lab/data" <<'X'
import asyncio, pathlib, sys
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

program, data = sys.argv[1:]

async def talks(session):
    await session.initialize()
    tools = {tool.name: tool for tool in (await session.list_tools()).tools}
    assert "read_messages" in tools and "send_message" not in tools
    # The client compares each answer with the schema of its tool.
    for name, arguments in [("list_services", {}), ("service_status", {}), ("show_settings", {}), ("list_backups", {})]:
        answer = await session.call_tool(name, arguments)
        assert not answer.is_error and answer.structured_content["installation"] == data, (name, answer)
    answer = await session.call_tool("read_messages", {"room": ["#a"]})
    assert answer.is_error and "must be a text" in answer.content[0].text
    answer = await session.call_tool("send_message", {"room": "#a", "text": "x"})
    assert answer.is_error and "--allow write" in answer.content[0].text
    assert (await session.read_resource("matrix://settings")).contents

async def main():
    server = StdioServerParameters(command=program, args=["--data-dir", data, "mcp"])
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await talks(session)
    token = pathlib.Path(data, "secrets/mcp_token").read_text().strip()
    client = create_mcp_http_client(headers={"Authorization": f"Bearer {token}"})
    async with streamable_http_client("http://127.0.0.1:18765/mcp", http_client=client) as streams:
        async with ClientSession(streams[0], streams[1]) as session:
            await talks(session)

asyncio.run(main())
X
inspected() { (cd "$lab" && npx --yes @modelcontextprotocol/inspector@latest --cli "$program" --data-dir "$lab/data" mcp "$@"); }
inspected --method tools/list >"$lab/list"
grep -q "\"service_status\"" "$lab/list"
inspected --method tools/call --tool-name list_services >"$lab/call"
grep -q "\"outcome\"" "$lab/call"
echo 'done'
