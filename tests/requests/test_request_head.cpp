#include <string>

#include "../../examples/serve/request_head.hpp"
#include "../catch.hpp"

namespace rwkv::test {
namespace {

std::string first_line(const std::string& line) {
    return serve::request_head(line + "\r\n\r\n").text;
}

TEST_CASE("addresses are taken however clients put them together") {
    CHECK(first_line("GET /v1/models HTTP/1.1") == "GET /v1/models HTTP/1.1\r\n\r\n");
    CHECK(first_line("GET / HTTP/1.1") == "GET / HTTP/1.1\r\n\r\n");
    CHECK(first_line("GET // HTTP/1.1") == "GET / HTTP/1.1\r\n\r\n");
    CHECK(first_line("POST /v1//chat/completions/ HTTP/1.1") == "POST /v1/chat/completions HTTP/1.1\r\n\r\n");
    CHECK(first_line("GET /v1/models/?a=//b/ HTTP/1.1") == "GET /v1/models?a=//b/ HTTP/1.1\r\n\r\n");
    CHECK(first_line("GET http://example.org:80/v1/models HTTP/1.1") == "GET /v1/models HTTP/1.1\r\n\r\n");
    CHECK(first_line("GET HTTPS://example.org HTTP/1.1") == "GET / HTTP/1.1\r\n\r\n");
    CHECK(first_line("GET http://example.org?x HTTP/1.1") == "GET /?x HTTP/1.1\r\n\r\n");
    CHECK(first_line("OPTIONS * HTTP/1.1") == "OPTIONS * HTTP/1.1\r\n\r\n");
}

TEST_CASE("methods that httplib does not know are remembered, and no requests are left as they are") {
    const serve::RequestHead head = serve::request_head("PROPFIND /health HTTP/1.0\r\nHost: x\r\n\r\n");
    CHECK(head.text == "TRACE /health HTTP/1.0\r\nHost: x\r\n\r\n");
    CHECK(head.method == "PROPFIND");
    CHECK(head.is_http_1_0);
    for (const std::string line :
         {"nonsense", "", " ", "GET", "GET /", "G\"T / HTTP/1.1", " / HTTP/1.1", "\xFF /health HTTP/1.1"}) {
        CAPTURE(line);
        CHECK(first_line(line) == line + "\r\n\r\n");
        CHECK(serve::request_head(line + "\n\n").method.empty());
    }
}

TEST_CASE("headers that cost httplib much are left out of a head") {
    const serve::RequestHead head = serve::request_head(
        "GET / HTTP/1.1\r\nRANGE: bytes=0-1\r\nA: range:\r\naccept-encoding: br\nRanges: x\r\nRange:\r\n\r\n");
    CHECK(head.text == "GET / HTTP/1.1\r\nA: range:\r\nRanges: x\r\n\r\n");
    CHECK_FALSE(head.is_http_1_0);
}

}  // namespace
}  // namespace rwkv::test
