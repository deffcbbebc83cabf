#include "base/banned.h"
#include "registry/registry_internal.h"

// ---- precedence, Semantic Versioning 2.0.0, section 11

// Numbers without leading zeros: the longer one is greater.
static int digits_compare(const char *a, size_t m, const char *b, size_t n) {
  int d = memcmp(a, b, m < n ? m : n);
  return m != n ? (m > n) - (m < n) : (d > 0) - (d < 0);
}

static bool all_digits(const char *p, size_t n) { return strspn(p, "0123456789") >= n; }

static int identifier_compare(const char *a, size_t m, const char *b, size_t n) {
  bool number_a = all_digits(a, m), number_b = all_digits(b, n);
  if (number_a && number_b) return digits_compare(a, m, b, n);
  if (number_a != number_b) return number_a ? -1 : 1;
  int d = memcmp(a, b, m < n ? m : n);
  return d ? (d > 0) - (d < 0) : (m > n) - (m < n);
}

static int prerelease_compare(const char *a, const char *b) {
  while (*a && *b && *a != '+' && *b != '+') {
    size_t m = strcspn(a, ".+"), n = strcspn(b, ".+");
    int d = identifier_compare(a, m, b, n);
    if (d) return d;
    a += m + (a[m] == '.');
    b += n + (b[n] == '.');
  }
  bool more_a = *a && *a != '+', more_b = *b && *b != '+';
  return more_a - more_b; // more identifiers: greater
}

int hd_version_compare(const char *a, const char *b) {
  for (int i = 0; i < 3; i++) {
    size_t m = strspn(a, "0123456789"), n = strspn(b, "0123456789");
    int d = digits_compare(a, m, b, n);
    if (d) return d;
    a += m + (i < 2);
    b += n + (i < 2);
  }
  if ((*a == '-') != (*b == '-')) return *a == '-' ? -1 : 1; // before the release
  return *a == '-' ? prerelease_compare(a + 1, b + 1) : 0;
}

// ---- words

const char *hd_registry_policy_name(uint32_t policy) { return policy == HD_REGISTRY_OFF ? "off" : policy == HD_REGISTRY_REQUIRE ? "require" : "warn"; }

uint32_t hd_registry_policy_parse(const char *name) {
  for (uint32_t p = HD_REGISTRY_OFF; p <= HD_REGISTRY_REQUIRE; p++)
    if (strcmp(hd_registry_policy_name(p), name) == 0) return p;
  return 0;
}

const char *hd_version_state_name(uint32_t state) {
  static const char *const names[] = {"-", "registered", "retired", "collected"};
  return names[state < sizeof names / sizeof *names ? state : 0];
}

void hd_version_claim(const struct hd_version *v, struct hd_claim *c) {
  *c = (struct hd_claim){.kind = v->kind, .abi_major = v->abi_major, .abi_minor = v->abi_minor, .size = v->size};
  memcpy(c->name, v->name, sizeof c->name);
  memcpy(c->version, v->version, sizeof c->version);
  memcpy(c->digest, v->digest, sizeof c->digest);
}

int32_t hd_registry_judge(const struct hd_registry *r, const char *what, enum hd_trust trust, const char *key, char warning[HD_REGISTRY_TEXT_SIZE], struct hd_fault *fault) {
  if (warning) *warning = 0;
  if (r->policy == HD_REGISTRY_OFF || trust == HD_TRUST_SIGNED) return HADRON_OK;
  bool grave = trust == HD_TRUST_REVOKED || trust == HD_TRUST_BAD;
  const char *whose = key && *key ? key : "nobody who is trusted here";
  if (r->policy == HD_REGISTRY_REQUIRE || grave)
    return hd_fault_set(fault, HADRON_ERR_PERMISSION, "%s: policy %s expects a signature by a trusted key, found: %s%s%s; sign it with `hadron registry sign`, or trust the key with "
                        "`hadron registry trust`", what, hd_registry_policy_name(r->policy), hd_trust_name(trust), trust == HD_TRUST_UNSIGNED ? "" : " of ", trust == HD_TRUST_UNSIGNED ? "" : whose);
  if (warning) snprintf(warning, HD_REGISTRY_TEXT_SIZE, "%.80s: %s; taken because the policy is `warn`", what, hd_trust_name(trust));
  return HADRON_OK;
}
