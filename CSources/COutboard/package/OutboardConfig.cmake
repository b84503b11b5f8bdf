# find_package(Outboard): the target Outboard::outboard, a static library with
# libuv and threads behind it. Relocatable.
include(CMakeFindDependencyMacro)
find_dependency(Threads)

get_filename_component(_outboard_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.."
  ABSOLUTE)
find_path(Outboard_UV_INCLUDE_DIR uv.h)
find_library(Outboard_UV_LIBRARY NAMES uv uv_a)
if(NOT Outboard_UV_INCLUDE_DIR OR NOT Outboard_UV_LIBRARY)
  set(Outboard_FOUND FALSE)
  set(Outboard_NOT_FOUND_MESSAGE
    "Outboard needs libuv: install it (Debian: libuv1-dev)")
  return()
endif()

if(NOT TARGET Outboard::outboard)
  add_library(Outboard::outboard STATIC IMPORTED)
  set_target_properties(Outboard::outboard PROPERTIES
    IMPORTED_LOCATION "${_outboard_prefix}/lib/liboutboard.a"
    IMPORTED_LINK_INTERFACE_LANGUAGES C
    INTERFACE_INCLUDE_DIRECTORIES
      "${_outboard_prefix}/include;${Outboard_UV_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES
      "${Outboard_UV_LIBRARY};Threads::Threads;${CMAKE_DL_LIBS}")
endif()
unset(_outboard_prefix)
