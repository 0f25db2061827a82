// The translation unit whose compilation builds the precompiled header.
