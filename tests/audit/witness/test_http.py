"""Heads of requests and answers: what is read, what is refused and how, and whatever else may arrive."""

from __future__ import annotations

import contextlib
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.witness import http
from audit.witness.http import HEAD_LIMIT, BadHttp, RequestHead, ResponseHead

POST = b"POST /add-checkpoint HTTP/1.1\r\n"


def test_a_request_of_ours_is_read_back() -> None:
    whole = http.request("witness.example:7453", "/w1/add-checkpoint", b"old 0\n")
    head, _, body = whole.partition(b"\r\n\r\n")
    assert http.request_head(head + b"\r\n\r\n", 100) == RequestHead("POST", "/w1/add-checkpoint", 6, False)
    assert b"\r\nHost: witness.example:7453\r\n" in head
    assert body == b"old 0\n"


@pytest.mark.parametrize("keep_alive", [True, False])
def test_an_answer_of_ours_is_read_back(keep_alive: bool) -> None:
    whole = http.response(HTTPStatus.CONFLICT, "text/x.tlog.size", b"17\n", keep_alive=keep_alive)
    head, _, body = whole.partition(b"\r\n\r\n")
    assert http.response_head(head + b"\r\n\r\n") == ResponseHead(409, "text/x.tlog.size", 3)
    assert (b"Connection: close" in head) is not keep_alive
    assert body == b"17\n"


def test_a_wrong_method_is_told_the_right_one() -> None:
    assert b"\r\nAllow: POST\r\n" in http.response(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"", keep_alive=True)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (POST + b"Content-Length: 5\r\n\r\n", RequestHead("POST", "/add-checkpoint", 5, True)),
        (POST + b"content-length:\t5 \r\nX: \xe9\r\n\r\n", RequestHead("POST", "/add-checkpoint", 5, True)),
        (POST + b"Content-Length: 5\r\nConnection: Close\r\n\r\n", RequestHead("POST", "/add-checkpoint", 5, False)),
        (b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n", RequestHead("POST", "/", 5, False)),
        (b"GET / HTTP/1.1\r\n\r\n", RequestHead("GET", "/", 0, True)),
        (b"GET / HTTP/1.1\r\nA: 1\r\nA: 2\r\nB:\r\n\r\n", RequestHead("GET", "/", 0, True)),
    ],
)
def test_requests_that_are_read(head: bytes, expected: RequestHead) -> None:
    assert http.request_head(head, 10) == expected


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"POST /add-checkpoint\r\n\r\n", 400),
        (b"post / HTTP/1.1\r\n\r\n", 400),
        (b"POST /a b HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/2.0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\nContent-Length: 5\r\n\r\n", 400),
        (POST + b"Content-Length: 5\r\n Connection: close\r\n\r\n", 400),  # a folded line
        (POST + b"Content-Length : 5\r\n\r\n", 400),
        (POST + b": 5\r\n\r\n", 400),
        (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
        (POST + b"Content-Length: +5\r\n\r\n", 400),
        (POST + b"Content-Length: \r\n\r\n", 400),
        (POST + b"Content-Length: 5,5\r\n\r\n", 400),
        (POST + b"X: a\0b\r\n\r\n", 400),
        (POST + b"\r\n", 411),
        (POST + b"Content-Length: 11\r\n\r\n", 413),
        (POST + b"X: " + b"a" * HEAD_LIMIT + b"\r\n\r\n", 431),
        (POST + b"Content-Length: 5\r\n", 431),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", 501),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 501),
    ],
)
def test_requests_that_are_refused(head: bytes, status: int) -> None:
    with pytest.raises(BadHttp) as refused:
        http.request_head(head, 10)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", ResponseHead(200, "", 3)),
        (b"HTTP/1.0 404\r\n\r\n", ResponseHead(404, "", None)),
        (b"HTTP/1.1 409 \r\nContent-Type: Text/X.tlog.size; q=1\r\n\r\n", ResponseHead(409, "text/x.tlog.size", None)),
    ],
)
def test_answers_that_are_read(head: bytes, expected: ResponseHead) -> None:
    assert http.response_head(head) == expected


@pytest.mark.parametrize(
    "head", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
)
def test_answers_that_are_not_understood(head: bytes) -> None:
    with pytest.raises(BadHttp):
        http.response_head(head)


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda tail: POST + tail + b"\r\n\r\n")))
def test_whatever_arrives_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(BadHttp):
        assert http.request_head(data, 10).length <= 10
    with contextlib.suppress(BadHttp):
        assert 100 <= http.response_head(data).status < 600
