# oxbow_layer(NAME DEPENDS ... LIBRARIES ...): one static library per layer, made of every .cpp below the calling
# folder, and one test binary oxbow_NAME_test made of every *_test.cpp beside them.
#
# DEPENDS names the layers whose headers this layer may include; the arrows of docs/architecture.md are these lines.
# A link test (an empty main plus the whole layer and what it declares) fails when a layer calls what it may not.

file(WRITE ${CMAKE_BINARY_DIR}/empty_main.cpp "int main() {}\n")

function(oxbow_layer name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBRARIES;TEST_LIBRARIES" ${ARGN})

  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")

  list(TRANSFORM ARG_DEPENDS PREPEND oxbow_)
  if(sources)
    add_library(oxbow_${name} STATIC ${sources})
    target_include_directories(oxbow_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(oxbow_${name} PUBLIC ${ARG_DEPENDS} ${ARG_LIBRARIES})

    add_executable(oxbow_${name}_links ${CMAKE_BINARY_DIR}/empty_main.cpp)
    target_link_libraries(oxbow_${name}_links PRIVATE -Wl,--whole-archive oxbow_${name} -Wl,--no-whole-archive)
  else()
    add_library(oxbow_${name} INTERFACE)
    target_include_directories(oxbow_${name} INTERFACE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(oxbow_${name} INTERFACE ${ARG_DEPENDS} ${ARG_LIBRARIES})
  endif()

  if(tests)
    add_executable(oxbow_${name}_test ${tests})
    target_link_libraries(oxbow_${name}_test PRIVATE oxbow_${name} ${ARG_TEST_LIBRARIES} GTest::gmock_main)
    target_include_directories(oxbow_${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/test)
    # Golden tables and other files that a test reads are found from here.
    target_compile_definitions(oxbow_${name}_test PRIVATE OXBOW_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    add_test(NAME ${name} COMMAND oxbow_${name}_test)
    set_tests_properties(${name} PROPERTIES LABELS "fast;${name}")
  endif()
endfunction()
