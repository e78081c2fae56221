def test_fails(kube):
    assert kube.get("/version")["major"] == "0"
