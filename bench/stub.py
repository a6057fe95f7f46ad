"""A stub homeserver for bench/send.sh: every PUT is a sent message, every GET a missing state.

usage: stub.py SECONDS   prints its port, and ends by itself after SECONDS
"""
import asyncio
import sys


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if length:
                await reader.readexactly(length)
            if head.startswith(b"PUT"):
                status, body = b"200 OK", b'{"event_id":"$0123456789012345678901234567890123456789012"}'
            else:
                status, body = b"404 Not Found", b'{"errcode":"M_NOT_FOUND","error":"no"}'
            writer.write(
                b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\nContent-Length: "
                + str(len(body)).encode() + b"\r\n\r\n" + body
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(float(sys.argv[1]))


asyncio.run(main())
