"""`/v1/files`: https://platform.openai.com/docs/api-reference/files."""

from collections.abc import AsyncIterator
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from burnish.errors import UserError
from svc_gateway.files import File, Files
from svc_gateway.pages import MAX_SIZE

CHUNK = 1024 * 1024


def routes(files: Files) -> list[Route]:
    async def create(request: Request) -> Response:
        async with request.form() as form:
            upload = form.get("file")
            if not isinstance(upload, UploadFile):
                raise UserError(
                    "the form has no file", field="file", hint="send multipart/form-data"
                )
            purpose = str(form.get("purpose") or "fine-tune")
            file = await files.upload(upload.filename or "", _chunks(upload), purpose=purpose)
        return JSONResponse(_described(file))

    async def list_all(request: Request) -> Response:
        query = request.query_params
        size = _limit(query.get("limit", ""))
        page = await files.list(size=size, token=query.get("after", ""))
        data = [_described(file) for file in page.items]
        purpose = query.get("purpose")
        return JSONResponse(
            {
                "object": "list",
                "data": [one for one in data if purpose in (None, one["purpose"])],
                "first_id": data[0]["id"] if data else None,
                "last_id": data[-1]["id"] if data else None,
                "has_more": bool(page.next_token),
            }
        )

    async def get(request: Request) -> Response:
        return JSONResponse(_described(await files.get(request.path_params["id"])))

    async def delete(request: Request) -> Response:
        file_id = request.path_params["id"]
        await files.delete(file_id)
        return JSONResponse({"id": file_id, "object": "file", "deleted": True})

    async def content(request: Request) -> Response:
        file = await files.get(request.path_params["id"])
        return Response(
            await files.content(file.id),
            media_type="application/octet-stream",
            headers={"content-disposition": f"attachment; filename={_ascii(file.filename)}"},
        )

    return [
        Route("/v1/files", create, methods=["POST"]),
        Route("/v1/files", list_all, methods=["GET"]),
        Route("/v1/files/{id}", get, methods=["GET"]),
        Route("/v1/files/{id}", delete, methods=["DELETE"]),
        Route("/v1/files/{id}/content", content, methods=["GET"]),
    ]


def _described(file: File) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.blob.size,
        "created_at": file.created_at.seconds,
        "filename": file.filename,
        "purpose": file.purpose,
        # Files are checked before they are accepted.
        "status": "processed",
        "rows": file.rows,
        "columns": list(file.columns),
        "labelled_rows": file.labelled_rows,
    }


async def _chunks(upload: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await upload.read(CHUNK):
        yield chunk


def _limit(text: str) -> int:
    """OpenAI's default is everything up to 10,000; ours is the largest page."""
    if not text:
        return MAX_SIZE
    if not text.isdecimal() or not int(text):
        raise UserError(f"{text!r} is not a positive number", field="limit")
    return int(text)


def _ascii(filename: str) -> str:
    return "".join(
        char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in filename
    )
