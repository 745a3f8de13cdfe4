# Compiler, language level and the flags every target shares.

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  message(FATAL_ERROR "g++ ${CMAKE_CXX_COMPILER_VERSION} destroys temporaries in coroutines twice and would corrupt "
                      "memory here; build with clang 19: ./dev build")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON) # statement expressions carry TRY
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_CXX_FLAGS_DEV "-Og -g1" CACHE STRING "" FORCE)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1" CACHE STRING "" FORCE)

option(OXBOW_FUZZ "build the libFuzzer targets" OFF)
set(OXBOW_SANITIZE "" CACHE STRING "sanitizers for every target, e.g. address,undefined")

add_compile_options(-Wall -Wextra -Wshadow -Wno-gnu-statement-expression
                    -Wno-missing-designated-field-initializers -Werror=return-type -Werror=unused-result
                    -Werror=switch -fno-omit-frame-pointer)
add_link_options(-fuse-ld=lld)
if(OXBOW_SANITIZE)
  add_compile_options(-fsanitize=${OXBOW_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${OXBOW_SANITIZE})
endif()
if(OXBOW_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
