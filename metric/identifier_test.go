package metric

import "testing"

func TestIsGUID(t *testing.T) {
	for text, want := range map[string]bool{
		"0f3bd3a1-97a5-4f44-a0c1-5a1f0f0e5d11":  true,
		"0F3BD3A1-97A5-4F44-A0C1-5A1F0F0E5D11":  true,
		"":                                      false,
		"0f3bd3a197a54f44a0c15a1f0f0e5d11":      false,
		"0f3bd3a1-97a5-4f44-a0c1-5a1f0f0e5d1":   false,
		"0f3bd3a1-97a5-4f44-a0c1-5a1f0f0e5d1g":  false,
		"0f3bd3a1-97a5-4f44-a0c1a5a1f0f0e5d11":  false,
		"0f3bd3a-197a5-4f44-a0c1-5a1f0f0e5d11":  false,
		"0f3bd3a1-97a5-4f44-a0c1-5a1f0f0e5d111": false,
	} {
		if IsGUID(text) != want || IsGUID([]byte(text)) != want {
			t.Errorf("%q: got %v, want %v", text, !want, want)
		}
	}
}

func TestIsRouter(t *testing.T) {
	for sender, want := range map[string]bool{
		"router": true, "gorouter": true, "router__0": true, "gorouter_1": true,
		"": false, "rout": false, "routers": false, "tcp_router": false, "router-0": false, "routing-api": false,
	} {
		if IsRouter(sender) != want || IsRouter([]byte(sender)) != want {
			t.Errorf("%q: got %v, want %v", sender, !want, want)
		}
	}
}

func TestLegalLabel(t *testing.T) {
	for tag, want := range map[string]string{
		"app_id": "app_id", "app-id": "app_id", "_a": "_a", "Ä": "_", "é1": "_1",
		"": "_", "1a": "_1a", "__name__": "_name__", "___": "_", "-a": "_a", "--a": "_a", "a.b/c": "a_b_c",
	} {
		if got := LegalLabel(tag); got != want {
			t.Errorf("%q: got %q, want %q", tag, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { LegalLabel("already_legal") }); n != 0 {
		t.Errorf("a legal name costs %v allocations", n)
	}
}
