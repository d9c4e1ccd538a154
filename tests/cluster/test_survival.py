"""Being written right now by another helper (see /work/tmp/claims.md): leave this file alone."""
