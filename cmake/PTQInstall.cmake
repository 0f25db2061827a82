# Install rules: libraries, headers, tools and the CMake package.
